/** Two gateways that share what a Mosquitto sends, of readings that only their identity names: each is stored once, at its home. */
import { expect, test } from 'vitest';
import type { Health } from '../../gateway/operations-contract.ts';
import type { Tally } from '../../gateway/store-contract.ts';
import { accountOf, type GatewayProcess, startGateway } from '../support/gateway-process.ts';
import { until } from '../support/processes.ts';
import { RawMqtt } from '../support/raw-mqtt.ts';
import { type InfluxServer, startInfluxd, startMosquitto } from '../support/servers.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { RESENT, writeSchemas } from '../support/test-schemas.ts';
import { UpstreamInbox } from '../support/upstream-inbox.ts';

const DEVICES = Array.from({ length: 12 }, (_, i) => `dev-${i}`);
const PATIENTLY = { timeoutMs: 60_000, everyMs: 100 };
const PEERS = { attic: 'cellar', cellar: 'attic' } as const;
type Name = keyof typeof PEERS;

interface Sink {
  readonly name: string;
  readonly kind: string;
  readonly pending: number;
  readonly sent: number;
  readonly dropped: number;
}

/** How it is with the only link to a peer. */
async function linkOf(gateway: GatewayProcess): Promise<Sink | undefined> {
  const { stdout } = await gateway.command('sinks', '--json');
  // The shape is the program's own; a wrong one fails the test that reads it.
  return (JSON.parse(stdout) as Sink[]).find(({ kind }) => kind === 'forward');
}

async function healthOf(gateway: GatewayProcess): Promise<Health> {
  return (await gateway.get('/health/ready')) as Health;
}

async function untilOk(gateway: GatewayProcess): Promise<void> {
  await until('it is well', async () => (await healthOf(gateway)).status === 'ok', PATIENTLY);
}

type Settings = Readonly<Record<string, unknown>>;

function peersOf(name: Name, url: string, more: Settings = {}): Settings {
  return { peers: { name, others: [{ name: PEERS[name], url, ...more }] } };
}

async function startPeers(
  mosquitto: { readonly url: string },
  influx: InfluxServer | null,
  { broker = {}, peer = {} }: { readonly broker?: Settings; readonly peer?: Settings } = {},
): Promise<Record<Name, GatewayProcess>> {
  const start = async (clientId: Name): Promise<GatewayProcess> =>
    await startGateway({
      config: {
        schemas: writeSchemas(temporaryFolder('schemas'), RESENT),
        // Who is away has no session there: all that comes meanwhile goes to the other one.
        brokers: [
          {
            ...{ name: 'house', url: mosquitto.url, clientId, cleanStart: true, ...broker },
            subscribe: [{ topic: 'resent/#', share: 'gateways' }],
          },
        ],
        ...(influx === null
          ? {}
          : { sinks: [{ type: 'influxdb', url: influx.url, version: 1, database: 't' }] }),
      },
    });
  const gateways = { attic: await start('attic'), cellar: await start('cellar') };
  for (const name of ['attic', 'cellar'] as const) {
    await gateways[name].stop();
    await gateways[name].restart(peersOf(name, `mqtt://127.0.0.1:${gateways[PEERS[name]].port}`, peer));
  }
  for (const gateway of Object.values(gateways)) await untilOk(gateway);
  return gateways;
}

/** Each device says each of these, and every fifth of them twice. Returns how many messages that made. */
async function publish(
  port: number,
  devices: readonly string[],
  from: number,
  to: number,
  padding = '',
): Promise<number> {
  const client = await RawMqtt.connect({ port, clientId: 'publisher' });
  let messages = 0;
  for (let seq = from; seq < to; seq += 1)
    for (const device of devices)
      for (let i = 0; i < (seq % 5 === 0 ? 2 : 1); i += 1) {
        await client.publish(`resent/${device}`, `{"boot":1,"seq":${seq},"value":${seq}}${padding}`);
        messages += 1;
      }
  client.destroy();
  return messages;
}

/** The times of all points, ms, by device and seq. Fails where one is there twice. */
async function timesIn(influx: InfluxServer): Promise<ReadonlyMap<string, number>> {
  const rows = await influx.query('SELECT device, seq, value FROM resent', 't');
  const times = new Map(rows.map(({ device, seq, time }) => [`${device} ${seq}`, Number(time) / 1e6]));
  expect(times.size).toBe(rows.length);
  return times;
}

async function untilStored(influx: InfluxServer, n: number): Promise<ReadonlyMap<string, number>> {
  const enough = async (): Promise<ReadonlyMap<string, number>> => {
    const times = await timesIn(influx);
    if (times.size < n) throw new Error(`${times.size} of ${n}`);
    return times;
  };
  return await until('all are stored', enough, PATIENTLY);
}

async function devicesOf(gateway: GatewayProcess): Promise<ReadonlyMap<string, Tally>> {
  const { devices, imbalances } = await accountOf(gateway);
  expect(imbalances).toEqual([]);
  return new Map(devices.map((each) => [each.device, each]));
}

/** How many readings have come from the broker to this gateway. */
async function cameTo(gateway: GatewayProcess): Promise<number> {
  const house = new Map(Object.entries((await accountOf(gateway)).sources)).get('house');
  return house?.received ?? 0;
}

async function untilCame(gateway: GatewayProcess, n: number): Promise<void> {
  const enough = async (): Promise<boolean> => {
    const came = await cameTo(gateway);
    if (came < n) throw new Error(`${came} of ${n}`);
    return true;
  };
  await until('the broker has sent them', enough, PATIENTLY);
}

describeWith(['mosquitto', 'influxd'], 'two gateways that are peers', () => {
  test('store each reading once at its home, with the time at which it first came, also while the home is away', {
    timeout: 180_000,
  }, async () => {
    const mosquitto = await startMosquitto();
    const influx = await startInfluxd();
    await influx.createDatabase('t');
    const { attic, cellar } = await startPeers(mosquitto, influx);
    const both = [attic, cellar];

    const SEQS = 20;
    const messages = await publish(mosquitto.port, DEVICES, 0, SEQS);
    await untilStored(influx, DEVICES.length * SEQS);
    const allCame = async (): Promise<boolean> => (await cameTo(attic)) + (await cameTo(cellar)) === messages;
    await until('all have come', allCame, PATIENTLY);
    await until('nothing waits', async () => {
      const links = await Promise.all(both.map(linkOf));
      return links.every((link) => link?.pending === 0 && link.sent > 0);
    });
    const [inAttic, inCellar] = await Promise.all(both.map(devicesOf));
    const atHome: Record<Name, string[]> = { attic: [], cellar: [] };
    for (const device of DEVICES) {
      const [a, c] = [inAttic?.get(device), inCellar?.get(device)];
      const home = (a?.stored ?? 0) > 0 ? 'attic' : 'cellar';
      const [own, other] = home === 'attic' ? [a, c] : [c, a];
      atHome[home].push(device);
      expect(own).toMatchObject({ stored: SEQS, forwarded: 0, duplicate: SEQS / 5 });
      expect(other?.stored ?? 0).toBe(0);
      expect(other?.received ?? 0).toBe(other?.forwarded ?? 0);
    }
    expect([atHome.attic.length > 0, atHome.cellar.length > 0]).toEqual([true, true]);

    // The home of some is away.
    expect(await cellar.stop()).toBe(0);
    const publishedMs = Date.now();
    const before = await cameTo(attic);
    const late = await publish(mosquitto.port, DEVICES, SEQS, 2 * SEQS);
    await untilCame(attic, before + late);
    const waiting = (late * atHome.cellar.length) / DEVICES.length;
    const { status, reasons } = await until(
      'health says so',
      async () => {
        const health = await healthOf(attic);
        return health.status === 'ok' ? null : health;
      },
      PATIENTLY,
    );
    expect(status).toBe('degraded');
    expect(reasons.join()).toMatch(/peer\/cellar is retrying since/);
    expect(await linkOf(attic)).toMatchObject({ name: 'peer/cellar', pending: waiting, dropped: 0 });
    expect((await attic.command('sinks')).stdout).toMatch(/^peer\/cellar +retrying/m);
    const refused = await attic.command('sinks', 'forget', 'peer/cellar');
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining('remove it from the configuration'),
    ]);
    expect((await linkOf(attic))?.pending).toBe(waiting);
    const stored = DEVICES.length * SEQS + atHome.attic.length * SEQS;
    expect((await untilStored(influx, stored)).size).toBe(stored);

    const restartedMs = Date.now();
    await cellar.restart();
    const times = await untilStored(influx, 2 * DEVICES.length * SEQS);
    for (const device of atHome.cellar)
      for (let seq = SEQS; seq < 2 * SEQS; seq += 1) {
        const ms = times.get(`${device} ${seq}`) ?? 0;
        expect(ms, 'not when its home heard of it').toBeLessThan(restartedMs);
        expect(ms).toBeGreaterThan(publishedMs - 1_000);
      }
    await untilOk(attic);
    const { peer } = (await accountOf(cellar)).sources;
    expect(peer).toMatchObject({ rejected: 0, forwarded: 0 });

    // It does not come back: what waits for it, and comes, is stored by the other one.
    expect(await cellar.stop()).toBe(0);
    const last = await publish(mosquitto.port, DEVICES, 2 * SEQS, 3 * SEQS);
    await untilCame(attic, before + late + last);
    expect(await attic.stop()).toBe(0);
    await attic.restart(peersOf('attic', `mqtt://127.0.0.1:${attic.port}`, { standIn: 'attic' }));
    const all = await untilStored(influx, 3 * DEVICES.length * SEQS);
    expect(all.size).toBe(3 * DEVICES.length * SEQS);
    await until('nothing waits', async () => (await linkOf(attic))?.pending === 0, PATIENTLY);
    for (const tally of (await devicesOf(attic)).values()) expect(tally.rejected).toBe(0);

    expect(await attic.stop()).toBe(0);
    // Without `peers:`.
    await attic.restart({ peers: undefined });
    expect(attic.log()).toContain('list them under `peers:`');
    expect((await attic.command('sinks', 'forget', 'peer/cellar')).code).toBe(0);
    expect(await linkOf(attic)).toBeUndefined();
    expect(await attic.stop()).toBe(0);
    await mosquitto.stop();
    await influx.stop();
  });
});

describeWith(['mosquitto', 'influxd'], 'two gateways that are full of readings for each other', () => {
  test('take them, as soon as both are there, and store each once', { timeout: 300_000 }, async () => {
    const mosquitto = await startMosquitto();
    const influx = await startInfluxd();
    await influx.createDatabase('t');
    const { attic, cellar } = await startPeers(mosquitto, influx, {
      // What one of them does not acknowledge waits for it.
      broker: { cleanStart: false },
      peer: { maxBacklog: '1MiB' },
    });
    const PADDING = ' '.repeat(16 * 1024);
    let seqs = 0;
    const publishUntilFull = async (gateway: GatewayProcess, peer: Name): Promise<void> => {
      const words = `what waits for peer ${peer} is at its limit (maxBacklog)`;
      for (let i = 0; i < 100 && !gateway.log().includes(words); i += 1) {
        await publish(mosquitto.port, DEVICES, seqs, seqs + 4, PADDING);
        seqs += 4;
      }
      await until(`it is full of what is for ${peer}`, () => gateway.log().includes(words), PATIENTLY);
      expect((await linkOf(gateway))?.pending).toBeGreaterThan(30);
      // It takes what others send to it.
      for (let i = 0; i < 10; i += 1) {
        const { status, reasons } = await healthOf(gateway);
        expect(status).toBe('degraded');
        expect(reasons.join()).toMatch(
          new RegExp(`broker house is retrying since .*: .*peer ${peer} is at its limit`),
        );
      }
      await publish(gateway.port, [`neighbour-of-${peer}`], 1, 2);
    };

    await cellar.kill();
    await publishUntilFull(attic, 'cellar');
    await attic.kill();
    await cellar.restart();
    await publishUntilFull(cellar, 'attic');
    await attic.restart();

    const all = DEVICES.length * seqs + 2;
    const enough = async (): Promise<boolean> => {
      const [times, inAttic, inCellar] = [await timesIn(influx), await linkOf(attic), await linkOf(cellar)];
      if (times.size < all)
        throw new Error(`${times.size} of ${all}, ${JSON.stringify([inAttic, inCellar])}`);
      return true;
    };
    await until('all are stored', enough, { timeoutMs: 200_000, everyMs: 500 });
    expect((await timesIn(influx)).size).toBe(all);
    for (const gateway of [attic, cellar]) {
      await until('nothing waits', async () => (await linkOf(gateway))?.pending === 0, PATIENTLY);
      expect((await linkOf(gateway))?.dropped).toBe(0);
      await devicesOf(gateway);
      expect(await gateway.stop()).toBe(0);
    }
    await mosquitto.stop();
    await influx.stop();
  });
});

describeWith(['mosquitto'], 'a peer', () => {
  test('tells the senders of what is rejected at its home, over the broker that it came from', {
    timeout: 120_000,
  }, async () => {
    const mosquitto = await startMosquitto();
    const inbox = await UpstreamInbox.open(mosquitto.port, 'answers/#');
    const { attic, cellar } = await startPeers(mosquitto, null, { broker: { receipts: 'answers' } });
    const client = await RawMqtt.connect({ port: mosquitto.port, clientId: 'publisher' });
    const seqs = [1, 2, 3, 4];
    for (const seq of seqs)
      for (const device of DEVICES) await client.publish(`resent/${device}`, `{"boot":1,"seq":${seq}}`);
    client.destroy();
    const said = DEVICES.flatMap((device) => seqs.map((seq) => `answers/${device} ${seq}`));
    await until('all are told', () => inbox.arrivals.length >= said.length, PATIENTLY);
    // The shape is the program's own; a wrong one fails the test that reads it.
    const told = inbox.arrivals.map(
      ({ topic, payload }) => `${topic} ${(JSON.parse(payload) as { readonly seq: number }).seq}`,
    );
    expect(told).toHaveLength(said.length);
    expect(new Set(told)).toEqual(new Set(said));
    const accounts = await Promise.all([attic, cellar].map(accountOf));
    expect(accounts.reduce((sum, { total }) => sum + total.rejected, 0)).toBe(said.length);
    const passedOn = accounts.map(({ sources }) => new Map(Object.entries(sources)).get('peer')?.rejected);
    expect(
      passedOn.reduce<number>((sum, n) => sum + (n ?? 0), 0),
      'some came to another',
    ).toBeGreaterThan(0);
    await inbox.close();
    for (const gateway of [attic, cellar]) expect(await gateway.stop()).toBe(0);
    await mosquitto.stop();
  });

  test('whose url leads to another broker is sent nothing, health says why, and nothing is lost', {
    timeout: 120_000,
  }, async () => {
    const mosquitto = await startMosquitto();
    const inbox = await UpstreamInbox.open(mosquitto.port, 'gateway/#');
    const subscribe = [{ topic: 'resent/#', share: 'gateways' }];
    const attic = await startGateway({
      config: {
        schemas: writeSchemas(temporaryFolder('schemas'), RESENT),
        brokers: [{ name: 'house', url: mosquitto.url, subscribe }],
        ...peersOf('attic', mosquitto.url),
      },
    });
    const { status, reasons } = await until(
      'health says so',
      async () => {
        const health = await healthOf(attic);
        return health.reasons.some((reason) => reason.includes('peer/cellar is refused')) ? health : null;
      },
      PATIENTLY,
    );
    expect(status).toBe('degraded');
    expect(reasons.join()).toMatch(
      /peer\/cellar is refused since .* does not say that it is a telemetry-gateway/,
    );
    const SEQS = 5;
    const messages = await publish(mosquitto.port, DEVICES, 0, SEQS);
    await untilCame(attic, messages);
    const { total } = await accountOf(attic);
    expect(total.stored).toBeGreaterThan(0);
    expect(total.forwarded).toBeGreaterThan(0);
    expect(await linkOf(attic)).toMatchObject({ pending: total.forwarded, sent: 0, dropped: 0 });
    expect((await attic.command('sinks')).stdout).toMatch(/^peer\/cellar +refused/m);
    const client = await RawMqtt.connect({ port: mosquitto.port, clientId: 'last' });
    await client.publish('gateway/last', 'all that came before has come');
    await until('the last one came', () => inbox.arrivals.length > 0, PATIENTLY);
    expect(inbox.arrivals.map(({ topic }) => topic)).toEqual(['gateway/last']);

    // Somebody mends the configuration.
    expect(await attic.stop()).toBe(0);
    await attic.restart(peersOf('attic', `mqtt://127.0.0.1:${attic.port}`, { standIn: 'attic' }));
    await until('nothing waits', async () => (await linkOf(attic))?.pending === 0, PATIENTLY);
    await untilOk(attic);
    expect((await accountOf(attic)).total).toMatchObject({
      ...{ stored: DEVICES.length * SEQS, duplicate: messages - DEVICES.length * SEQS },
      ...{ rejected: 0, forwarded: total.forwarded },
    });
    client.destroy();
    await inbox.close();
    expect(await attic.stop()).toBe(0);
    await mosquitto.stop();
  });

  test('whose url leads to a broker that copies all that the gateway says is sent nothing, and nothing is lost', {
    timeout: 120_000,
  }, async () => {
    const mosquitto = await startMosquitto();
    const { attic, cellar } = await startPeers(mosquitto, null);
    const between = await startMosquitto({ conf: bridgeTo(cellar.port) });
    const inbox = await UpstreamInbox.open(between.port, 'news/#');
    const client = await RawMqtt.connect({ port: cellar.port, clientId: 'newsagent' });
    await until('the bridge is there', async () => {
      await client.publish('news/cellar', 'x');
      return inbox.arrivals.length > 0;
    });
    client.destroy();
    await inbox.close();

    await attic.stop();
    await attic.restart(peersOf('attic', between.url));
    const words = /peer\/cellar is refused since .* does not say that it is a telemetry-gateway/;
    const isRefused = async (): Promise<boolean> => words.test((await healthOf(attic)).reasons.join());
    await until('it is found out', isRefused, PATIENTLY);
    expect((await attic.command('check')).stdout).toMatch(/FAIL +peer cellar: .* does not say that it is/);
    const SEQS = 10;
    const messages = await publish(mosquitto.port, DEVICES, 0, SEQS);
    const allCame = async (): Promise<boolean> => (await cameTo(attic)) + (await cameTo(cellar)) === messages;
    await until('all have come', allCame, PATIENTLY);
    const link = await linkOf(attic);
    expect(link?.pending).toBeGreaterThan(0);
    expect(link?.sent).toBe(0);

    await attic.stop();
    await attic.restart(peersOf('attic', `mqtt://127.0.0.1:${cellar.port}`));
    const storedOnce = async (): Promise<boolean> => {
      const accounts = await Promise.all([attic, cellar].map(accountOf));
      const stored = accounts.reduce((sum, { total }) => sum + total.stored, 0);
      if (stored < DEVICES.length * SEQS) throw new Error(`${stored} of ${DEVICES.length * SEQS}`);
      return stored === DEVICES.length * SEQS;
    };
    await until('each is stored once', storedOnce, PATIENTLY);
    await until('nothing waits', async () => (await linkOf(attic))?.pending === 0, PATIENTLY);
    expect(await storedOnce()).toBe(true);
    expect((await attic.command('check')).stdout).toMatch(
      /ok +peer cellar: .*, as client .*-peer-attic:cellar$/m,
    );
    for (const gateway of [attic, cellar]) expect(await gateway.stop()).toBe(0);
    await between.stop();
    await mosquitto.stop();
  });
});

/** A Mosquitto that has whatever the gateway says, retained or not, for its own clients. */
function bridgeTo(port: number): string {
  return `
listener PORT 127.0.0.1
allow_anonymous true
persistence false
log_dest stderr
log_type error
user root
connection copies
address 127.0.0.1:${port}
clientid copies
try_private false
notifications false
restart_timeout 1
topic gateway/# in 1
topic news/# in 1
`;
}
