import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { GATEWAY_MAIN, startGateway } from '../support/gateway-process.ts';
import { freePorts, run, until } from '../support/processes.ts';
import { RawMqtt } from '../support/raw-mqtt.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const STACK = /^\s+at /m;

/** `start` on a folder and ports of its own, until it ends. */
async function startOnce(config: Record<string, unknown>) {
  const dir = temporaryFolder('start');
  const [port = 0, httpPort = 0] = await freePorts(2);
  writeFileSync(
    join(dir, 'gateway.yaml'),
    JSON.stringify({ mqtt: { listeners: [{ port }] }, http: { port: httpPort }, ...config }),
  );
  return await run(process.execPath, [GATEWAY_MAIN, 'start', '--config', join(dir, 'gateway.yaml')], {
    cwd: dir,
  });
}

function portOf(server: ReturnType<typeof createServer>): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe('what keeps the gateway from starting is one clear line, exit 1, no stack trace', () => {
  test('a port in use', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const port = portOf(server);
    try {
      for (const config of [{ mqtt: { listeners: [{ port }] } }, { http: { port } }]) {
        const { code, stderr } = await startOnce(config);
        expect(code).toBe(1);
        expect(stderr).toMatch(new RegExp(`^telemetry-gateway: .*127\\.0\\.0\\.1:${port}.*\\n$`));
        expect(stderr).not.toMatch(STACK);
      }
    } finally {
      server.close();
    }
  });

  test('a data folder that cannot be written', async () => {
    const { code, stderr } = await startOnce({ data: '/proc/nothing/here' });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^telemetry-gateway: the data folder \/proc\/nothing\/here cannot be used.*\n$/);
  });

  test('a second gateway on the folder, which leaves the first alone', async () => {
    const gateway = await startGateway();
    try {
      const { code, stderr } = await startOnce({ data: gateway.dataDir });
      expect(code).toBe(1);
      expect(stderr).toMatch(/^telemetry-gateway: .*\n$/);
      expect(stderr).toContain(String(gateway.pid()));
      expect(await gateway.get('/health/ready')).toMatchObject({ status: 'ok' });
    } finally {
      await gateway.stop();
    }
  });

  test('a configuration with problems, each with its place', async () => {
    const dir = temporaryFolder('broken');
    writeFileSync(join(dir, 'gateway.yaml'), 'mqtt:\n  listeners:\n    - port: many\nsotre: {}\n');
    const { code, stderr } = await run(process.execPath, [GATEWAY_MAIN, 'start'], { cwd: dir });
    expect(code).toBe(1);
    expect(stderr).toContain('gateway.yaml:3:7 /mqtt/listeners/0/port must be an integer');
    expect(stderr).toMatch(/gateway\.yaml:4:1 .*did you mean "?store"?/);
    expect(stderr).not.toMatch(STACK);
  });
});

describe('signals', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s stops in order, and what was acknowledged is there',
    async (signal) => {
      const gateway = await startGateway();
      const client = await RawMqtt.connect({ port: gateway.port, clientId: 'loader' });
      const sent = Array.from({ length: 200 }, (_, i) =>
        client.publish('sensors/a/environment', `{"temperature":${i}.5}`),
      );
      await Promise.all(sent);
      expect(await gateway.kill(signal)).toBe(0);
      await client.whenClosed;
      expect(gateway.stdout()).toMatch(/"msg":"stopped"\}\n$/);
      const { code, stdout } = await gateway.command('account', '--json');
      expect(code).toBe(0);
      const account: unknown = JSON.parse(stdout);
      expect(account).toMatchObject({
        total: { stored: 125, rejected: 75, refused: 0 },
        sinks: [{ written: 125, pending: 0 }],
      });
    },
  );

  test('the will of a client that is connected at a shutdown is not sent: the client did not fail', async () => {
    const will = {
      topic: 'sensors/a/environment',
      payload: Buffer.from('{"temperature":1}'),
      qos: 1,
      retain: false,
    } as const;
    const gateway = await startGateway();
    await RawMqtt.connect({ port: gateway.port, clientId: 'willing', will });
    expect(await gateway.stop()).toBe(0);
    const { stdout } = await gateway.command('account', '--json');
    const account: unknown = JSON.parse(stdout);
    expect(account).toMatchObject({ total: { stored: 0 } });
  });

  test('a second signal ends it at once', async () => {
    // A sink that never answers: the first signal would wait for its last write.
    const sockets = new Set<Socket>();
    const server = createServer((socket) => sockets.add(socket)).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const url = `http://127.0.0.1:${portOf(server)}`;
    const gateway = await startGateway({
      config: { sinks: [{ type: 'influxdb', url, version: 1, database: 'x' }] },
    });
    const client = await RawMqtt.connect({ port: gateway.port, clientId: 'loader' });
    await client.publish('sensors/a/environment', '{"temperature":1}');
    const ended = gateway.kill('SIGTERM');
    await until('it stops', async () => gateway.stdout().includes('"msg":"stopping: SIGTERM"'));
    process.kill(gateway.pid(), 'SIGINT');
    expect(await ended).toBe(130);
    for (const socket of sockets) socket.destroy();
    server.close();
  });
});

test('what a command writes arrives whole, also where its reader is slow', async () => {
  const dir = temporaryFolder('slow-reader');
  const config = join(dir, 'gateway.yaml');
  const unknown = Array.from({ length: 5_000 }, (_, i) => [`unknown-option-with-a-long-name-${i}`, i]);
  writeFileSync(config, JSON.stringify(Object.fromEntries(unknown)));
  const child = spawn(process.execPath, [GATEWAY_MAIN, 'check', '--offline', '--json', '--config', config], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  // The reader begins when the pipe is full, or the program has ended without waiting for it.
  await Promise.race([once(child, 'exit'), sleep(1_500)]);
  let out = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) out += chunk;
  expect(out.length).toBeGreaterThan(1_000_000);
  expect(() => JSON.parse(out)).not.toThrow();
});
