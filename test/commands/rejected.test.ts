import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../gateway/clocks/clock.ts';
import { GatewayError } from '../../gateway/errors.ts';
import { CauseCounter } from '../../gateway/operations/rejection-causes.ts';
import { loadReadings } from '../../gateway/readings/load-schemas.ts';
import type { ReplayReport, ReplayRequest } from '../../gateway/rejected-contract.ts';
import { openLmdbStore } from '../../gateway/store/lmdb-store.ts';
import { DEFAULT_STORE_OPTIONS } from '../../gateway/store/store-options.ts';
import type { Store } from '../../gateway/store-contract.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { ENVIRONMENT, writeSchemas } from '../support/test-schemas.ts';
import { type CommandWorld, commandWorld } from './command-world.ts';
import { CAUSE, fakeOperations, NOTHING_REPLAYED, REJECTION } from './fake-operations.ts';

let world: CommandWorld;

beforeEach(() => {
  world = commandWorld();
});

afterEach(async () => {
  await world.stopRunning();
});

/** Nothing that a terminal would obey. */
function isHarmless(text: string): boolean {
  return !/[\p{C}]/u.test(text.replaceAll('\n', ''));
}

describe('rejected list', () => {
  test('shows causes with how many, who, when and an example', async () => {
    const operations = await world.running();
    const { out } = await world.run(['rejected', 'list', '--code', 'invalid', '-d', 'kitchen']);
    expect(operations.asked).toEqual([{ query: { code: 'invalid', device: 'kitchen' }, after: null }]);
    expect(out).toContain(
      '500 × invalid under environment.v1\n    /temperature must be number, got string "21.5"\n',
    );
    expect(out).toContain('from kitchen; 2026-03-01 00:00:00.000Z to 2026-03-02 00:00:00.000Z');
    expect(out).toContain('such as r1: {"temperature":"21.5"}');
    expect(isHarmless(out)).toBe(true);
  });

  test('says a cause in the words of its example, with the remedy at their end', async () => {
    const remedy = 'or store it under another name with "field": "temperature_string"';
    const said = `field "temperature" of "room" must be float, got string: ${'since long ago '.repeat(25)}${remedy}`;
    const counter = new CauseCounter();
    const payload = Buffer.from('{"temperature":"21.5"}');
    counter.add({
      ...REJECTION,
      payload,
      username: null,
      format: null,
      relay: null,
      schemaVersion: null,
      code: 'type-conflict',
      violations: [{ pointer: '', message: said }],
    });
    const causes = counter.list();
    await world.running(
      fakeOperations({ rejectedCauses: async () => ({ causes, looked: 1, others: 0, next: null }) }),
    );
    const { out } = await world.run(['rejected', 'list']);
    expect(out).toContain(`${said}\n`);
    expect(out).toMatch(/^1 rejected reading, 1 cause\n/);
  });

  test('puts the pages of a long look together', async () => {
    const pages = [
      { causes: [CAUSE], looked: 500, others: 0, next: 'x' },
      { causes: [{ ...CAUSE, devices: ['attic'] }], looked: 500, others: 2, next: null },
    ];
    await world.running(
      fakeOperations({
        rejectedCauses: async (_, after) => pages[after === null ? 0 : 1] ?? expect.unreachable(),
      }),
    );
    expect(JSON.parse((await world.run(['rejected', 'list', '--json'])).out)).toMatchObject({
      ...{ looked: 1000, others: 2 },
      causes: [{ count: 1000, devices: ['kitchen', 'attic'] }],
    });
  });

  test('--flat lists each, with every filter passed on and times made absolute', async () => {
    const operations = await world.running();
    const { out } = await world.run([
      ...[
        'rejected',
        'list',
        '--flat',
        '--topic',
        'a/+',
        '--schema',
        's.v1',
        '--sink',
        'influx',
        '--client',
        'c',
      ],
      ...['--since', '2026-03-01', '--state', 'all', '-n', '3'],
    ]);
    expect(operations.asked).toEqual([
      {
        ...{ topic: 'a/+', schema: 's.v1', sink: 'influx', client: 'c', state: 'all', limit: 3 },
        since: '2026-03-01T00:00:00.000Z',
      },
    ]);
    expect(out).toContain('/temperature must be a number');
    expect(isHarmless(out)).toBe(true);
    const { code, err } = await world.run(['rejected', 'list', '--since', 'yesterday']);
    expect([code, err]).toEqual([2, expect.stringContaining('yesterday is no time')]);
  });
});

describe('rejected show', () => {
  test('shows the violation at its place, the bytes, both schemas, and what it would be today', async () => {
    const payload = Buffer.from('{"temperature":"21.5","seq":7}');
    const report = {
      ...REJECTION,
      payloadBase64: payload.toString('base64'),
      payloadText: payload.toString(),
      payloadBytes: payload.length,
      relay: {
        contentType: 'text/\u001b',
        userProperties: [['site', '\u001b[2J']] as const,
        unread: ['plant\u001b'],
      },
    };
    await world.running(fakeOperations({ rejection: async () => report }));
    const { out } = await world.run(['rejected', 'show', 'r1']);
    expect(out).toContain('sensors/\\x1b[31mkitchen/environment');
    expect(out).toContain('    "temperature": "21.5",   <-- must be a number\n');
    expect(out).toContain('000000  7b 22 74 65 6d');
    expect(out).toContain(
      'type     text/\\x1b\nproperty site=\\x1b[2J\nproperty plant\\x1b (its text is not kept)\n',
    );
    expect(out).toContain('schema environment.v1 has changed since (aaaaaaaaaaaa is now bbbbbbbbbbbb)');
    expect(out).toContain('  -   "temperature": "number"\n  +   "temperature": "string"\n');
    expect(out).toContain('today\n  stored: environment t=1 1\n');
    expect(isHarmless(out)).toBe(true);
  });

  test('says plainly what there is to say of schema and state', async () => {
    const shown = async (changes: Partial<typeof REJECTION>): Promise<string> => {
      const operations = fakeOperations({ rejection: async () => ({ ...REJECTION, ...changes }) });
      await world.running(operations);
      const { out } = await world.run(['rejected', 'show', 'r1']);
      await world.stopRunning();
      return out;
    };
    const same = { version: 'aaaaaaaaaaaa', text: null };
    expect(await shown({ schemaThen: same, schemaNow: same })).toContain('is unchanged since');
    expect(await shown({ schemaNow: null })).toContain('is no longer in force');
    expect(await shown({ schemaThen: null })).toContain('is not known');
    expect(await shown({ schemaThen: same })).toContain('its text of then is no longer kept');
    const resolved = await shown({ resolved: { kind: 'stored', atMs: Date.UTC(2026, 2, 2) }, today: [] });
    expect(resolved).toContain('replayed: stored 2026-03-02');
    expect(resolved).not.toContain('today');
    const refused = await shown({ code: 'sink-rejected', sink: 'influx', topic: '', today: [] });
    expect(refused).toContain('only its sink can say');
    expect(refused).not.toMatch(/^(topic|client) /m);
  });
});

describe('rejected replay', () => {
  test('goes through all pages as one run, and says what became of them', async () => {
    const asked: ReplayRequest[] = [];
    const replay = async (request: ReplayRequest): Promise<ReplayReport> => {
      asked.push(request);
      const next = request.after === null ? 'p2' : null;
      return {
        ...NOTHING_REPLAYED,
        looked: 200,
        stored: 199,
        still: 1,
        causes: [{ ...CAUSE, count: 1 }],
        next,
      };
    };
    await world.running(fakeOperations({ replay }));
    const { code, out, err } = await world.run(['rejected', 'replay', '--code', 'invalid', '-d', 'kitchen']);
    expect([code, err]).toEqual([0, '']);
    expect(out).toBe(
      [
        '400 rejected readings',
        '  398  stored',
        '    2  still rejected',
        '',
        '2 × invalid under environment.v1',
        '    /temperature must be number, got string "21.5"',
        '    from kitchen; 2026-03-01 00:00:00.000Z to 2026-03-02 00:00:00.000Z',
        '    such as r1: {"temperature":"21.5"}',
        '',
      ].join('\n'),
    );
    expect(asked.map(({ selection, after, dryRun }) => [selection, after, dryRun])).toEqual([
      [{ filter: { code: 'invalid', device: 'kitchen' } }, null, false],
      [{ filter: { code: 'invalid', device: 'kitchen' } }, 'p2', false],
    ]);
    expect(new Set(asked.map(({ run }) => run)).size).toBe(1);
  });

  test('a dry run says so; a terminal is shown how far it is', async () => {
    const operations = await world.running();
    const { out, err } = await world.run(['rejected', 'replay', 'r1', 'r2', '--dry-run'], {
      isTerminal: true,
    });
    expect(out).toMatch(/^dry run, nothing was changed: 500 rejected readings\n +499 {2}would be stored\n/);
    expect(err).toContain('500 looked at: 499 stored');
    expect(operations.asked).toMatchObject([{ selection: { ids: ['r1', 'r2'] }, dryRun: true }]);
  });

  test('a dry run of which one page could not tell all repeats says at most', async () => {
    const replay = async ({ after }: ReplayRequest): Promise<ReplayReport> => ({
      ...NOTHING_REPLAYED,
      ...(after === null ? { looked: 3, stored: 3, atMost: true } : { looked: 2, stored: 1, duplicate: 1 }),
      next: after === null ? 'p2' : null,
    });
    await world.running(fakeOperations({ replay }));
    const { out } = await world.run(['rejected', 'replay', '--all', '--dry-run']);
    expect(out).toContain('  4  would be stored, at most: some may be repeats of others\n');
    expect(out).toContain('  1  would be found stored already\n');
    const { out: json } = await world.run(['rejected', 'replay', '--all', '--dry-run', '--json']);
    expect(JSON.parse(json)).toMatchObject({ stored: 4, duplicate: 1, atMost: true });
  });

  test('ends with what was open when it began, however many come meanwhile', async () => {
    let pages = 0;
    const replay = async (): Promise<ReplayReport> => {
      pages += 1;
      return { ...NOTHING_REPLAYED, looked: 100, still: 100, next: String(pages) };
    };
    await world.running(fakeOperations({ replay }));
    await world.run(['rejected', 'replay', '--all']);
    expect(pages).toBe(5);
  });

  test('nothing, or two things, chosen is an error; so is one that ends early, with what was done until then', async () => {
    const operations = await world.running();
    for (const args of [
      [],
      ['--dry-run'],
      ['r1', '--all'],
      ['r1', '--code', 'invalid'],
      ['--code', 'nonsense'],
    ])
      expect((await world.run(['rejected', 'replay', ...args])).code, args.join(' ')).toBe(2);
    expect(operations.asked).toEqual([]);
    await world.stopRunning();
    const replay = async ({ after }: ReplayRequest): Promise<ReplayReport> => {
      if (after !== null) throw new GatewayError('store-full', 'the store is full');
      return { ...NOTHING_REPLAYED, looked: 7, stored: 7, next: 'p2' };
    };
    await world.running(fakeOperations({ replay }));
    const { code, err } = await world.run(['rejected', 'replay', '--all']);
    expect(code).toBe(1);
    expect(err).toMatch(/7 {2}stored[\s\S]*the store is full/);
  });
});

test('rejected export writes one object a line', async () => {
  const operations = await world.running();
  const { out } = await world.run(['rejected', 'export', '--state', 'all']);
  expect(
    out
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line)),
  ).toMatchObject([{ id: 'r1', payloadBase64: REJECTION.payloadBase64 }]);
  expect(operations.asked).toEqual([{ query: { state: 'all' }, after: null, limit: 100 }]);
});

test('rejected discard says how many it would be, and only deletes them when that is confirmed', async () => {
  const operations = await world.running();
  const unsure = await world.run(['rejected', 'discard', '--code', 'invalid']);
  expect([unsure.code, unsure.err]).toEqual([2, expect.stringContaining('500 rejected readings for good')]);
  expect(operations.asked).toEqual([{ query: { code: 'invalid' }, after: null }]);
  const sure = await world.run(['rejected', 'discard', '--code', 'invalid', '--yes']);
  expect(sure).toMatchObject({ code: 0, out: '3 rejected readings discarded\n' });
  expect(operations.asked.slice(1)).toEqual([
    { selection: { filter: { code: 'invalid' } }, after: null, limit: 500 },
  ]);
});

describe('what else is known', () => {
  test('account --device, --series, --fields; devices; fields forget', async () => {
    const operations = await world.running();
    const device = (await world.run(['account', '-d', 'kitchen'])).out;
    expect(device).toMatch(/clock +3 h 0 min ahead[\s\S]*500 × invalid/);
    expect((await world.run(['account', '--series'])).out).toMatch(
      /80 of at most 100 series[\s\S]*7 readings were rejected[\s\S]*device ~79/,
    );
    expect((await world.run(['account', '--fields'])).out).toMatch(/environment +temperature +float/);
    expect((await world.run(['account', '--fields', '--series'])).code).toBe(2);
    expect((await world.run(['devices', '--silent'])).out).toMatch(
      /kitchen \(Kitchen wall\) +silent .*3 h 0 min ahead/,
    );
    expect(await world.run(['fields', 'forget', 'environment', 'temperature'])).toMatchObject({
      ...{ code: 0, out: 'forgot the type of temperature in environment\n' },
    });
    expect((await world.run(['fields', 'forget', 'environment', 'nope'])).code).toBe(1);
    expect(operations.asked).toEqual([
      ...['kitchen', { silent: true }],
      ...[
        { measurement: 'environment', field: 'temperature' },
        { measurement: 'environment', field: 'nope' },
      ],
    ]);
  });

  test('an account that does not close is loud', async () => {
    const operations = fakeOperations();
    const account = await operations.account();
    const imbalances = [
      { scope: 'device', name: 'a\u001b', received: 3, accounted: 2, difference: 1 },
    ] as const;
    await world.running(fakeOperations({ account: async () => ({ ...account, imbalances }) }));
    const { out } = await world.run(['account']);
    expect(out).toMatch(/THE ACCOUNT DOES NOT CLOSE[\s\S]*device a\\x1b: received 3, accounted for 2/);
  });
});

test('where no gateway runs, the files are opened: replayed readings go into the log for the sinks of later', async () => {
  const schemas = temporaryFolder('schemas');
  writeSchemas(schemas, {
    ...ENVIRONMENT,
    properties: { ts: { type: 'integer' }, temperature: { type: 'string' } },
  });
  writeFileSync(
    join(world.cwd, 'gateway.yaml'),
    `schemas: ${schemas}\nmqtt: { listeners: [{ port: 0 }] }\nhttp: false\n`,
  );
  const openStore = async (): Promise<Store> =>
    await openLmdbStore(
      { ...DEFAULT_STORE_OPTIONS, dir: join(world.cwd, 'data/store'), minFreeDiskBytes: 0 },
      { clock: systemClock, events: { emit: () => undefined } },
    );
  let store = await openStore();
  store.openSink('embedded', { maxBacklogBytes: null, whenFull: 'block' });
  const group = store.group();
  const id = group.reject({
    ...{
      code: 'invalid',
      source: 'mqtt',
      topic: 'sensors/kitchen/environment',
      client: 'c',
      device: 'kitchen',
    },
    ...{ schema: 'environment.v1', index: null, atMs: 1_770_000_000_000, violations: [], sink: null },
    ...{ username: null, format: null, relay: null, schemaVersion: null },
    payload: Buffer.from('{"temperature":"21.5"}'),
  });
  group.receive('mqtt', 'kitchen', 1);
  group.count('mqtt', 'kitchen', 'rejected', 1);
  await group.committed;
  await store.close();
  const parts = { openStore, loadReadings: () => loadReadings(schemas) };
  expect((await world.run(['rejected', 'show', id], { parts })).out).toContain(
    'today\n  stored: environment,device=kitchen temperature="21.5" 1770000000000',
  );
  expect((await world.run(['rejected', 'replay', '--all'], { parts })).out).toMatch(/1 {2}stored/);
  expect((await world.run(['rejected', 'replay', '--all'], { parts })).out).toBe('0 rejected readings\n');
  expect((await world.run(['account'], { parts })).out).toContain('the account closes');
  store = await openStore();
  expect(store.sinks()).toMatchObject([{ stored: 1, pending: 1 }]);
  await store.close();
});
