/** Forwards to a real Mosquitto: nothing that was acknowledged is missing there, whoever is away or killed. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts';
import { until } from '../support/processes.ts';
import { RawMqtt } from '../support/raw-mqtt.ts';
import { type Server, startMosquitto } from '../support/servers.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { ENVIRONMENT, environmentReading, writeSchemas } from '../support/test-schemas.ts';
import { UpstreamInbox } from '../support/upstream-inbox.ts';

/** `E2E_OUTAGE_SECONDS=300` is the full length. */
const OUTAGE_SECONDS = Number(process.env.E2E_OUTAGE_SECONDS ?? 3);
const DEVICES = ['kitchen', 'cellar', 'attic'];

/** It keeps what the inbox has not acknowledged, also when it is killed. */
const KEEPING = `
listener PORT 127.0.0.1
allow_anonymous true
persistence true
persistence_location DIR/
autosave_interval 1
autosave_on_changes true
max_inflight_messages 0
max_queued_messages 0
user root
`;

async function startUpstream(): Promise<Server> {
  const dir = temporaryFolder('upstream');
  return await startMosquitto({ dir, conf: KEEPING.replace('DIR', dir) });
}

interface Forward {
  readonly name: string;
  readonly pending: number;
  readonly sent: number;
  readonly dropped: number;
  readonly taken: number;
  readonly state: string | null;
}

async function forwardsOf(gateway: GatewayProcess): Promise<Forward[]> {
  const { stdout } = await gateway.command('sinks', '--json');
  // The shape is the program's own; a wrong one fails the test that reads it.
  const all = JSON.parse(stdout) as (Forward & { kind: string })[];
  return all.filter(({ kind }) => kind === 'forward');
}

/** Asked often, so without a process for each question. */
async function pendingOf(gateway: GatewayProcess): Promise<number> {
  const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
  const pending = [...metrics.matchAll(/^gateway_forward_pending\{.*\} (\d+)$/gm)].map(([, n]) => Number(n));
  return pending.reduce((sum, n) => sum + n, 0);
}

async function untilSent(gateway: GatewayProcess, timeoutMs = 60_000): Promise<Forward[]> {
  const isDone = async (): Promise<boolean> => {
    const pending = await pendingOf(gateway);
    if (pending > 0) throw new Error(`${pending} wait`);
    return true;
  };
  await until('nothing waits to be forwarded', isDone, { timeoutMs, everyMs: 250 });
  return await forwardsOf(gateway);
}

/** The link to the other broker is up, as far as health tells. */
async function untilConnected(gateway: GatewayProcess): Promise<void> {
  await until(
    'it is connected',
    async () => !JSON.stringify(await gateway.get('/health/ready')).includes('forward up'),
    { timeoutMs: 120_000, everyMs: 250 },
  );
}

async function gatewayTo(
  upstream: Server,
  forward: Record<string, unknown>,
  more: Record<string, unknown> = {},
): Promise<GatewayProcess> {
  return await startGateway({
    config: {
      schemas: writeSchemas(temporaryFolder('schemas'), ENVIRONMENT),
      forward: [{ name: 'up', url: upstream.url, topics: ['#'], ...forward }],
      ...more,
    },
  });
}

/** A device that sends each reading until it is acknowledged, whatever becomes of the gateway meanwhile. */
async function sendUntil(
  gateway: GatewayProcess,
  device: string,
  isOver: () => boolean,
  startMs: number,
): Promise<number> {
  let client: RawMqtt | null = null;
  let seq = 0;
  while (!isOver()) {
    try {
      client ??= await RawMqtt.connect({ port: gateway.port, clientId: device });
      const { topic, payload } = environmentReading(device, seq, startMs);
      await client.publish(topic, payload);
      seq += 1;
      await sleep(2);
    } catch {
      client?.destroy();
      client = null;
      await sleep(50);
    }
  }
  client?.destroy();
  return seq;
}

describeWith(['mosquitto'], 'a forward to another broker', () => {
  test('brings everything, at least once and in order for each topic, through an outage and kills', {
    timeout: (2 * OUTAGE_SECONDS + 240) * 1000,
  }, async () => {
    const upstream = await startUpstream();
    const inbox = await UpstreamInbox.open(upstream.port);
    const gateway = await gatewayTo(upstream, { prefix: 'site7/' });
    const startMs = Date.now() - 3_600_000;
    let isOver = false;
    const sending = DEVICES.map((device) => sendUntil(gateway, device, () => isOver, startMs));
    await until('the first arrive', () => inbox.arrivals.length > 50);
    await gateway.kill();
    await gateway.restart();
    await upstream.stop();
    await sleep((OUTAGE_SECONDS * 1000) / 2);
    await gateway.kill();
    await gateway.restart();
    await sleep((OUTAGE_SECONDS * 1000) / 2);
    expect(await pendingOf(gateway)).toBeGreaterThan(20);
    expect(JSON.stringify(await gateway.get('/health/ready'))).toMatch(/degraded.*forward up is retrying/);
    await upstream.restart();
    await untilConnected(gateway);
    await gateway.kill();
    await gateway.restart();
    await sleep(500);
    isOver = true;
    const sent = await Promise.all(sending);
    const [forward] = await untilSent(gateway, (OUTAGE_SECONDS + 60) * 1000);
    expect(forward).toMatchObject({ dropped: 0, pending: 0 });
    for (const [i, device] of DEVICES.entries()) {
      const count = sent[i] ?? 0;
      expect(count).toBeGreaterThan(20);
      const wanted = Array.from(
        { length: count },
        (_, seq) => environmentReading(device, seq, startMs).payload,
      );
      const arrived = (): string[] => inbox.firsts(`site7/sensors/${device}/environment`);
      await until(`all of ${device} arrive`, () => arrived().length >= count);
      // One more may have been taken whose acknowledgement came too late for the device.
      expect(arrived().slice(0, count)).toEqual(wanted);
    }
    expect(await gateway.stop()).toBe(0);
    await inbox.close();
    await upstream.stop();
  });

  test('sends of a message what its forward asks for', { timeout: 60_000 }, async () => {
    const upstream = await startUpstream();
    const inbox = await UpstreamInbox.open(upstream.port);
    const forward = [
      {
        name: 'valid',
        url: upstream.url,
        topics: ['sensors/#'],
        prefix: 'valid/',
        clientId: 'v',
        retain: true,
      },
      { name: 'readings', url: upstream.url, topics: ['sensors/#'], send: 'readings', prefix: 'readings/' },
      { name: 'raw', url: upstream.url, topics: ['#'], send: 'raw', prefix: 'raw/', protocol: 5 },
    ];
    const gateway = await gatewayTo(upstream, {}, { forward });
    const client = await RawMqtt.connect({ port: gateway.port, clientId: 'dev' });
    const atMs = Date.now() - 60_000;
    const good = environmentReading('kitchen', 1, atMs);
    const list = `[${good.payload.replace('"seq":1', '"seq":7')},{"temperature":"hot"}]`;
    await client.publish(good.topic, good.payload);
    await client.publish('sensors/cellar/environment', list);
    await client.publish('something/else', 'hello');
    const forwards = await untilSent(gateway);
    expect(forwards.map(({ name, taken, sent }) => [name, taken, sent])).toEqual([
      ['valid', 1, 1],
      ['readings', 2, 2],
      ['raw', 3, 3],
    ]);
    await until('all have arrived', () => inbox.arrivals.length >= 6);
    const under = (prefix: string): string[] =>
      inbox.arrivals.filter(({ topic }) => topic.startsWith(prefix)).map(({ payload }) => payload);
    expect(under('valid/')).toEqual([good.payload]);
    expect(under('raw/')).toEqual([good.payload, list, 'hello']);
    const readings = under('readings/').map((text): unknown => JSON.parse(text));
    expect(readings).toMatchObject([
      {
        device: 'kitchen',
        measurement: 'environment',
        schema: 'environment.v1',
        fields: { temperature: 20.1 },
      },
      { device: 'cellar', fields: { seq: 7 } },
    ]);
    const late = await UpstreamInbox.open(upstream.port, 'valid/#', 'late');
    await until('the kept one arrives', () => late.arrivals.length === 1);
    expect(late.arrivals[0]).toMatchObject({ payload: good.payload, retain: true });
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    expect(metrics).toContain('gateway_forward_messages_total{forward="raw",outcome="sent"} 3');
    expect(metrics).toContain('gateway_forward_pending{forward="raw"} 0');
    client.destroy();
    expect(await gateway.stop()).toBe(0);
    await late.close();
    await inbox.close();
    await upstream.stop();
  });

  test('that may lose its oldest keeps to its backlog, counted, and is forgotten on demand', {
    timeout: 60_000,
  }, async () => {
    const upstream = await startUpstream();
    const gateway = await gatewayTo(upstream, {
      maxBacklog: '64KiB',
      whenFull: 'drop-oldest',
      topics: ['t/#'],
      send: 'raw',
    });
    await upstream.stop();
    const client = await RawMqtt.connect({ port: gateway.port, clientId: 'dev' });
    for (let i = 0; i < 150; i += 1) await client.publish('t/1', `${i} ${'x'.repeat(1500)}`);
    const [full] = await forwardsOf(gateway);
    expect(full?.taken).toBe(150);
    expect(full?.dropped).toBeGreaterThan(80);
    expect(full?.dropped).toBeLessThan(130);
    const inbox = await upstream.restart().then(async () => await UpstreamInbox.open(upstream.port));
    const [after] = await untilSent(gateway);
    await until('the newest arrive', () => inbox.arrivals.length >= (after?.sent ?? 0));
    expect(inbox.firsts('t/1').map((text) => Number.parseInt(text, 10))).toEqual(
      Array.from({ length: 150 - (after?.dropped ?? 0) }, (_, i) => (after?.dropped ?? 0) + i),
    );
    await inbox.close();
    await upstream.stop();
    await client.publish('t/1', 'waits');
    client.destroy();
    expect((await gateway.command('sinks', 'forget', 'up')).code).not.toBe(0);
    expect(await gateway.stop()).toBe(0);
    await gateway.restart({ forward: [] });
    expect((await gateway.command('sinks')).stdout).toMatch(/up is no longer configured and keeps 1 message/);
    const { code, stdout } = await gateway.command('sinks', 'forget', 'up', '--json');
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { forgotten: 'up', kind: 'forward', pending: 1 }]);
    expect(await forwardsOf(gateway)).toEqual([]);
    expect(await gateway.stop()).toBe(0);
  });
});

describeWith(['mosquitto'], 'a forward that the other broker refuses', () => {
  test('waits for somebody to act, says so, and goes on when somebody has', { timeout: 90_000 }, async () => {
    const dir = temporaryFolder('upstream');
    const upstream = await startMosquitto({
      dir,
      conf: KEEPING.replace('DIR', dir).replace('anonymous true', 'anonymous false'),
    });
    const gateway = await gatewayTo(upstream, { send: 'raw', username: 'me', password: 'not-this-one' });
    const client = await RawMqtt.connect({ port: gateway.port, clientId: 'dev' });
    await client.publish('t', 'kept');
    await until('health says why', async () =>
      /degraded.*forward up is refused.*(?:not authorised|username or password)/.test(
        JSON.stringify(await gateway.get('/health/ready')),
      ),
    );
    expect(gateway.log()).not.toContain('not-this-one');
    const [forward] = await forwardsOf(gateway);
    expect(forward).toMatchObject({ pending: 1, dropped: 0 });
    client.destroy();
    expect(await gateway.stop()).toBe(0);
    await upstream.stop();
    const open = await startMosquitto({ dir, port: upstream.port, conf: KEEPING.replace('DIR', dir) });
    await gateway.restart();
    expect((await untilSent(gateway))[0]).toMatchObject({ sent: 1 });
    expect(await gateway.stop()).toBe(0);
    await open.stop();
  });
});

describe('a forward in the configuration', () => {
  test('that would send in a circle is refused, with its place', async () => {
    const gateway = await startGateway();
    expect(await gateway.stop()).toBe(0);
    await expect(
      gateway.restart({ forward: [{ name: 'me', url: `mqtt://localhost:${gateway.port}`, topics: ['#'] }] }),
    ).rejects.toThrow(/gateway\.yaml:\d+:\d+ \/forward\/0 .*loop/);
  });
});
