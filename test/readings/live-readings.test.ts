import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../gateway/contracts.ts';
import type { EventFields, EventName, Events } from '../../gateway/monitoring/events.ts';
import { createLiveReadings, type LiveReadings } from '../../gateway/readings/live-readings.ts';
import type { Documents } from '../../gateway/readings/schema-history.ts';
import { TickCounter } from '../../gateway/readings/tick-counter.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { lineOf, schema } from './under-test.ts';

const open: LiveReadings[] = [];
afterEach(() => {
  for (const readings of open.splice(0)) readings.close();
});

/** A clock that sleeps until it is told to wake everybody. */
function heldClock(): Clock & { wake(): void } {
  let sleepers: (() => void)[] = [];
  return {
    nowMs: () => 0,
    monotonicMs: () => 0,
    sleep: (_, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted === true) resolve();
        signal?.addEventListener('abort', () => resolve(), { once: true });
        sleepers.push(resolve);
      }),
    wake() {
      for (const sleeper of sleepers.splice(0)) sleeper();
      sleepers = [];
    },
  };
}

class Gateway {
  readonly dir = temporaryFolder('schemas');
  readonly documents = new Map<string, string>();
  readonly told: string[] = [];
  readonly clock = heldClock();
  /** Thrown by what keeps the documents. */
  failure: Error | null = null;

  async start(fromBrokers = false): Promise<LiveReadings> {
    const documents: Documents = {
      get: (name) => this.documents.get(name) ?? null,
      set: (name, text) => {
        if (this.failure !== null) return Promise.reject(this.failure);
        this.documents.set(name, text);
        return Promise.resolve();
      },
      change: (changes) => {
        if (this.failure !== null) return Promise.reject(this.failure);
        for (const [name, text] of changes) {
          if (text === null) this.documents.delete(name);
          else this.documents.set(name, text);
        }
        return Promise.resolve();
      },
    };
    const events: Events = {
      emit: (name: EventName, fields: EventFields = {}) =>
        void this.told.push(
          `${name} ${String(fields.id ?? fields.problem ?? fields.error ?? '')}; ${String(fields.consequence ?? '')}`,
        ),
    };
    const { dir, clock } = this;
    const readings = await createLiveReadings({
      dir,
      documents,
      events,
      clock,
      ticks: new TickCounter({ fresh: true }),
      fromBrokers,
    });
    open.push(readings);
    return readings;
  }

  write(name: string, value: object | string): void {
    // As editors do it: written beside, then renamed over.
    const temporary = join(this.dir, `.${name}.new`);
    writeFileSync(temporary, typeof value === 'string' ? value : JSON.stringify(value));
    renameSync(temporary, join(this.dir, name));
  }
}

const env = (measurement: string, more: object = {}): object =>
  schema({ $id: 'env.v1', telemetry: { measurement, ...more } });
const measurementOf = (readings: LiveReadings): string =>
  lineOf(readings, 't/d', { temperature: 1 }).split(',')[0] ?? '';

describe('schema files that change while readings flow', () => {
  it('take effect at once when they are good: changed, added, removed', async () => {
    const gateway = new Gateway();
    gateway.write('env.json', env('one'));
    const readings = await gateway.start();
    expect(measurementOf(readings)).toBe('one');
    gateway.write('env.json', env('two'));
    gateway.write(
      'more.json',
      schema({ $id: 'more.v1', telemetry: { measurement: 'more', topics: ['u/{device}'] } }),
    );
    await readings.reload();
    expect(measurementOf(readings)).toBe('two');
    expect(readings.describe().map(({ id }) => id)).toEqual(['env.v1', 'more.v1']);
    rmSync(join(gateway.dir, 'more.json'));
    await readings.reload();
    expect(readings.route('u/d')).toBeNull();
    expect(gateway.told).toEqual([
      'schema.changed env.v1; ',
      'schema.changed more.v1; ',
      'schema.removed more.v1; ',
    ]);
  });

  it('are told of where they want a sender that other brokers do not tell, once for each text', async () => {
    const byClient = (measurement: string): object => env(measurement, { device: 'clientId' });
    for (const fromBrokers of [false, true]) {
      const gateway = new Gateway();
      gateway.write('env.json', byClient('one'));
      const readings = await gateway.start(fromBrokers);
      await readings.reload();
      gateway.write('env.json', byClient('two'));
      await readings.reload();
      const told = gateway.told.filter((words) => words.startsWith('schema.sender-unknown env.json:1:'));
      expect(told).toHaveLength(fromBrokers ? 2 : 0);
    }
  });

  it('stay in force when the folder is suddenly empty, as when its mount is lost, and say so', async () => {
    const gateway = new Gateway();
    gateway.write('env.json', env('one'));
    const readings = await gateway.start();
    rmSync(join(gateway.dir, 'env.json'));
    await readings.reload();
    expect(measurementOf(readings)).toBe('one');
    expect(readings.problems()).toHaveLength(1);
    expect(gateway.told.join()).toMatch(
      /holds no schema file any more.*the schemas that were in it stay in force/,
    );
    gateway.write('env.json', env('two'));
    await readings.reload();
    expect(measurementOf(readings)).toBe('two');
    expect(readings.problems()).toEqual([]);
  });

  it('leave the last good version in force when they are bad, loudly, also after a restart', async () => {
    const gateway = new Gateway();
    gateway.write('env.json', env('good'));
    const readings = await gateway.start();
    gateway.write('env.json', '{"$id": "env.v1",\n oops');
    await readings.reload();
    const problem =
      'schema.problem env.json:2:2 is not JSON: expected a property name in double quotes, found oops; its last good version stays in force';
    expect(measurementOf(readings)).toBe('good');
    expect(readings.problems()).toMatchObject([{ file: 'env.json', line: 2, column: 2 }]);
    await readings.reload();
    expect(gateway.told).toEqual([problem]);
    readings.close();

    gateway.told.length = 0;
    const again = await gateway.start();
    expect(measurementOf(again)).toBe('good');
    expect(again.problems()).toHaveLength(1);
    expect(gateway.told).toEqual([problem]);
    gateway.write('env.json', env('mended'));
    await again.reload();
    expect(measurementOf(again)).toBe('mended');
    expect(again.problems()).toEqual([]);
    expect(gateway.told.slice(1)).toEqual(['schema.changed env.v1; ', 'schema.mended ; ']);
  });

  it('leave the whole set in force when they do not go together, also after a restart', async () => {
    const gateway = new Gateway();
    gateway.write('env.json', env('good'));
    const readings = await gateway.start();
    gateway.write('env.json', env('changed'));
    gateway.write('rival.json', schema({ $id: 'rival.v1', telemetry: { measurement: 'rival' } }));
    await readings.reload();
    expect(measurementOf(readings)).toBe('good');
    expect(readings.problems()).toMatchObject([{ file: 'rival.json', pointer: '/telemetry/topics/0' }]);
    readings.close();
    const again = await gateway.start();
    expect(measurementOf(again)).toBe('good');
    expect(again.problems()).toHaveLength(1);
    rmSync(join(gateway.dir, 'rival.json'));
    await again.reload();
    expect(measurementOf(again)).toBe('changed');
  });

  it('that do not go together from the first leave out the later ones', async () => {
    const gateway = new Gateway();
    gateway.write('env.json', env('first'));
    gateway.write('rival.json', schema({ $id: 'rival.v1', telemetry: { measurement: 'rival' } }));
    const readings = await gateway.start();
    expect(measurementOf(readings)).toBe('first');
    expect(readings.problems()).toHaveLength(1);
  });

  it('never leave a moment without a set: every reading meanwhile is under the old or the new one', async () => {
    const gateway = new Gateway();
    gateway.write('env.json', env('v0'));
    const readings = await gateway.start();
    const seen = new Set<string>();
    const done = new AbortController();
    const load = async (): Promise<void> => {
      while (!done.signal.aborted) {
        seen.add(measurementOf(readings));
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const loading = load();
    for (let i = 1; i <= 10; i += 1) {
      gateway.write('env.json', i % 3 === 0 ? '{' : env(`v${i}`));
      await readings.reload();
    }
    done.abort();
    await loading;
    expect([...seen].every((name) => /^v(0|1|2|4|5|7|8|10)$/.test(name))).toBe(true);
    expect(measurementOf(readings)).toBe('v10');
  });

  it('are noticed without being told to look, whether the system notifies or not', async () => {
    const gateway = new Gateway();
    gateway.write('env.json', env('one'));
    const readings = await gateway.start();
    gateway.write('env.json', env('two'));
    for (let i = 0; i < 200 && measurementOf(readings) !== 'two'; i += 1) {
      gateway.clock.wake();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(measurementOf(readings)).toBe('two');
  });

  it('that vanish with their folder stay in force', async () => {
    const gateway = new Gateway();
    gateway.write('env.json', env('one'));
    const readings = await gateway.start();
    renameSync(gateway.dir, `${gateway.dir}-away`);
    await readings.reload();
    expect(measurementOf(readings)).toBe('one');
    expect(readings.problems()).toHaveLength(1);
    renameSync(`${gateway.dir}-away`, gateway.dir);
    await readings.reload();
    expect(readings.problems()).toEqual([]);
  });

  it('are in force also when they cannot be kept, and that is told', async () => {
    const gateway = new Gateway();
    gateway.failure = new Error('no room');
    gateway.write('env.json', env('one'));
    const readings = await gateway.start();
    expect(measurementOf(readings)).toBe('one');
    expect(new Set(gateway.told)).toEqual(new Set(['schema.not-kept no room; ']));
  });

  it('count only as files of JSON; one too large or unreadable is a problem', async () => {
    const gateway = new Gateway();
    gateway.write('env.json', env('one'));
    gateway.write('notes.txt', 'x');
    gateway.write('huge.json', ' '.repeat(300_000));
    mkdirSync(join(gateway.dir, 'folder.json'));
    const readings = await gateway.start();
    expect(readings.describe()).toHaveLength(1);
    expect(readings.problems().map(({ file, message }) => `${file} ${message}`)).toEqual([
      expect.stringMatching(/^folder.json cannot be read/),
      expect.stringMatching(/^huge.json has 300000 bytes/),
    ]);
  });
});
