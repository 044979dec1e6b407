/** A store at its limit: by its own, and by the disk's. */
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { accountOf, type GatewayProcess, startGateway, untilDrained } from '../support/gateway-process.ts';
import { startInfluxFront } from '../support/influx-front.ts';
import { freePort, run, until } from '../support/processes.ts';
import { RawMqtt } from '../support/raw-mqtt.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { ENVIRONMENT, environmentReading, writeSchemas } from '../support/test-schemas.ts';

const startMs = Date.now() - 3_600_000;

/** Sends readings one window after another until the gateway breaks the connection, or `most` are acknowledged. */
async function sendUntilRefused(port: number, device: string, first: number, most: number): Promise<number> {
  const client = await RawMqtt.connect({ port, clientId: device });
  let next = first;
  try {
    while (next < first + most) {
      const burst = Array.from({ length: 50 }, (_, i) => environmentReading(device, next + i, startMs));
      const answers = await Promise.allSettled(
        burst.map(async ({ topic, payload }) => await client.publish(topic, payload)),
      );
      const acknowledged = answers.filter(({ status }) => status === 'fulfilled').length;
      next += acknowledged;
      if (acknowledged < burst.length) break;
    }
  } finally {
    client.destroy();
  }
  return next - first;
}

async function untilAccepted(gateway: GatewayProcess, device: string, seq: number): Promise<void> {
  await until(
    'readings are acknowledged again',
    async () => {
      const client = await RawMqtt.connect({ port: gateway.port, clientId: device });
      try {
        const { topic, payload } = environmentReading(device, seq, startMs);
        await client.publish(topic, payload);
        return true;
      } finally {
        client.destroy();
      }
    },
    { timeoutMs: 20_000, everyMs: 200 },
  );
}

function config(store: Record<string, unknown>, url: string): Record<string, unknown> {
  return {
    schemas: writeSchemas(temporaryFolder('schemas'), ENVIRONMENT),
    store,
    sinks: [{ name: 'influx', type: 'influxdb', url, version: 1, database: 't' }],
  };
}

test('at its own limit it refuses, and takes readings again when the sink has caught up', async () => {
  const front = await startInfluxFront();
  front.answer({ status: 503, body: '' });
  const gateway = await startGateway({ config: config({ maxBytes: '4MiB', whenFull: 'refuse' }, front.url) });
  const acknowledged = await sendUntilRefused(gateway.port, 'dev', 0, 400_000);
  expect(acknowledged).toBeGreaterThan(1000);
  expect(acknowledged).toBeLessThan(400_000);
  const full = await accountOf(gateway);
  expect(full.total.stored).toBeGreaterThanOrEqual(acknowledged);
  expect(full.total.stored).toBeLessThanOrEqual(acknowledged + 50);

  front.answer('pass');
  await untilAccepted(gateway, 'dev', acknowledged);
  const ledger = await untilDrained(gateway, 'influx');
  expect(ledger.dropped).toBe(0);
  expect(new Set(front.lines()).size).toBeGreaterThanOrEqual(acknowledged + 1);
  await until('what was refused is counted', async () => (await accountOf(gateway)).total.refused > 0);
  expect(await gateway.stop()).toBe(0);
  await front.close();
});

test('drop-oldest goes on acknowledging, and counts every reading it dropped', async () => {
  const nobody = `http://127.0.0.1:${await freePort()}`;
  const gateway = await startGateway({
    config: config({ maxBytes: '4MiB', whenFull: 'drop-oldest' }, nobody),
  });
  const acknowledged = await sendUntilRefused(gateway.port, 'dev', 0, 80_000);
  expect(acknowledged).toBe(80_000);
  const { total, sinks } = await until('the account is folded', async () => {
    const account = await accountOf(gateway);
    return account.total.stored === acknowledged && account;
  });
  const [ledger] = sinks;
  expect(total.refused).toBe(0);
  expect(ledger?.dropped).toBeGreaterThan(0);
  expect((ledger?.dropped ?? 0) + (ledger?.pending ?? 0)).toBe(acknowledged);
  expect(await gateway.stop()).toBe(0);
});

test('a flood of bad readings from one client does not push out the others’', async () => {
  const front = await startInfluxFront();
  const gateway = await startGateway({
    config: config({ maxBytes: '64MiB', rejected: { maxBytes: '256KiB', maxAge: '30d' } }, front.url),
  });
  const quiet = await RawMqtt.connect({ port: gateway.port, clientId: 'quiet' });
  const noisy = await RawMqtt.connect({ port: gateway.port, clientId: 'noisy' });
  const bad = (seq: number): string => `{"ts":${startMs + seq},"temperature":"broken","seq":${seq}}`;
  for (let seq = 0; seq < 5; seq += 1) await quiet.publish('sensors/quiet/environment', bad(seq));
  for (let round = 0; round < 40; round += 1) {
    await Promise.all(
      Array.from(
        { length: 100 },
        async (_, i) => await noisy.publish('sensors/noisy/environment', bad(round * 100 + i)),
      ),
    );
  }
  for (let seq = 5; seq < 10; seq += 1) await quiet.publish('sensors/quiet/environment', bad(seq));
  const { total } = await accountOf(gateway);
  expect(total.rejected).toBe(4010);
  const kept = JSON.stringify(await gateway.get('/api/rejected?client=quiet&limit=100'));
  expect(kept.match(/"client":"quiet"/g)).toHaveLength(10);
  quiet.destroy();
  noisy.destroy();
  expect(await gateway.stop()).toBe(0);
  await front.close();
});

describeWith(['tmpfs'], 'on a full disk', () => {
  test('nothing is acknowledged that is not on it, and it heals by itself', { timeout: 90_000 }, async () => {
    const dir = temporaryFolder('full-disk');
    const disk = join(dir, 'disk');
    mkdirSync(disk);
    const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', disk]);
    expect(mounted.code, mounted.stderr).toBe(0);
    const front = await startInfluxFront();
    front.answer({ status: 503, body: '' });
    const gateway = await startGateway({
      dir,
      config: { ...config({ maxBytes: '1GiB', minFreeDisk: '0B' }, front.url), data: join(disk, 'data') },
    });
    try {
      const acknowledged = await sendUntilRefused(gateway.port, 'dev', 0, 400_000);
      expect(acknowledged).toBeLessThan(400_000);
      expect(gateway.exitCode()).toBeNull();
      front.answer('pass');
      await untilAccepted(gateway, 'dev', acknowledged);
      await untilDrained(gateway, 'influx');
      const found = new Set(front.lines().map((line) => /seq=(\d+)i/.exec(line)?.[1]));
      const missing = Array.from({ length: acknowledged }, (_, seq) => String(seq)).filter(
        (seq) => !found.has(seq),
      );
      expect(missing).toEqual([]);
    } finally {
      await gateway.stop();
      await front.close();
      await run('umount', ['-l', disk]);
    }
  });

  test('a disk filled by others refuses, and takes readings again once there is room', {
    timeout: 90_000,
  }, async () => {
    const dir = temporaryFolder('full-disk');
    const disk = join(dir, 'disk');
    mkdirSync(disk);
    const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', disk]);
    expect(mounted.code, mounted.stderr).toBe(0);
    const front = await startInfluxFront();
    const gateway = await startGateway({
      dir,
      config: { ...config({ minFreeDisk: '16MiB' }, front.url), data: join(disk, 'data') },
    });
    try {
      await untilAccepted(gateway, 'dev', 0);
      const filler = join(disk, 'filler');
      const { bavail, bsize } = statfsSync(disk);
      writeFileSync(filler, Buffer.alloc(bavail * bsize - 8 * 2 ** 20));
      front.answer({ status: 503, body: '' });
      // What the store's file already has it may use; then it would have to take from what is to stay free.
      const acknowledged = await sendUntilRefused(gateway.port, 'dev', 1, 400_000);
      expect(acknowledged).toBeLessThan(400_000);
      rmSync(filler);
      await untilAccepted(gateway, 'dev', 1 + acknowledged);
      expect(gateway.exitCode()).toBeNull();
    } finally {
      await gateway.stop();
      await front.close();
      await run('umount', ['-l', disk]);
    }
  });
});
