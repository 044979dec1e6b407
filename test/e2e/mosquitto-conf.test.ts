/**
 * The shipped mosquitto.conf and ACL, and the certificates of their README, as they are but for paths and ports, in a real
 * Mosquitto.
 */
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { connectAsync } from 'mqtt';
import { expect, test } from 'vitest';
import { accountOf, type GatewayProcess, startGateway, untilDrained } from '../support/gateway-process.ts';
import { type HardenedMosquitto, startHardenedMosquitto } from '../support/hardened-mosquitto.ts';
import { freePort, run, until } from '../support/processes.ts';
import { mosquittoPub } from '../support/servers.ts';
import { describeWith } from '../support/services.ts';

const PASSWORDS = { gateway: 'correct horse', kitchen: 'k1tchen', cellar: 'c3llar' };
const PATIENTLY = { timeoutMs: 30_000, everyMs: 200 };

describeWith(
  ['mosquitto', 'mosquitto_pub', 'mosquitto_passwd', 'openssl', 'prlimit'],
  'the shipped mosquitto.conf',
  () => {
    test('lets in who has a password, on its own topics, and the gateway reads on', async () => {
      await withReader(async (mosquitto, gateway) => {
        await publish(mosquitto, 'kitchen', 21.5);
        await until('it was read', async () => (await storedOf(gateway, 'kitchen')) === 1, PATIENTLY);

        const attempts: readonly (readonly [string, string[], string])[] = [
          ['anonymous, TLS', mosquitto.as('', '').slice(0, -4), 'kitchen'],
          ['anonymous, loopback', ['-h', '127.0.0.1', '-p', String(mosquitto.port)], 'kitchen'],
          ['a wrong password', mosquitto.as('kitchen', 'guess'), 'kitchen'],
          ['an unknown user', mosquitto.as('mallory', 'k1tchen'), 'mallory'],
          ["another's topic", mosquitto.as('cellar', PASSWORDS.cellar), 'kitchen'],
          ['without TLS on the TLS port', ['-h', '127.0.0.1', '-p', String(mosquitto.tlsPort)], 'kitchen'],
        ];
        const refused: string[] = [];
        for (const [who, args, device] of attempts) {
          const { code } = await run('mosquitto_pub', [
            ...[...args, '-V', '5', '-q', '1', '-t', `sensors/${device}/environment`],
            ...['-m', '{"temperature":99}'],
          ]);
          if (code !== 0) refused.push(who);
        }
        expect(refused).toEqual(attempts.map(([who]) => who).filter((who) => who !== "another's topic"));
        const { stderr } = await run('mosquitto_pub', [
          ...[...mosquitto.as('cellar', PASSWORDS.cellar), '-V', '5', '-q', '1', '-d'],
          ...['-t', 'sensors/kitchen/environment', '-m', '{"temperature":99}'],
        ]);
        expect(stderr).toContain('Not authorized');

        await publish(mosquitto, 'kitchen', 22);
        await until('it reads on', async () => (await storedOf(gateway, 'kitchen')) === 2, PATIENTLY);
        await untilDrained(gateway);
        const { total } = await accountOf(gateway);
        expect([total.received, total.stored]).toEqual([2, 2]);
      });
    });

    test('keeps what comes while the gateway is away, also over a restart of its own', async () => {
      await withReader(async (mosquitto, gateway) => {
        await publish(mosquitto, 'cellar', 0);
        await until('it was read', async () => (await storedOf(gateway, 'cellar')) === 1, PATIENTLY);
        await gateway.stop();
        for (let i = 1; i <= 5; i += 1) await publish(mosquitto, 'cellar', i);
        await mosquitto.stop();
        await mosquitto.restart();
        await gateway.restart();
        await until('they came too', async () => (await storedOf(gateway, 'cellar')) >= 6, PATIENTLY);
        await untilDrained(gateway);
        expect(await storedOf(gateway, 'cellar')).toBe(6);
      });
    });

    test('says over the broker why a reading was rejected, to its device alone', async () => {
      await withReader(async (mosquitto) => {
        const topic = 'gateway/receipts/kitchen';
        const others = run('mosquitto_sub', [
          ...[...mosquitto.as('cellar', PASSWORDS.cellar), '-t', topic, '-C', '1', '-W', '8'],
        ]);
        await until('the other one listens', () => mosquitto.log().includes(' as cellar '), PATIENTLY);
        // Over one connection: a user has no more.
        const { stdout } = await run('mosquitto_rr', [
          ...[...mosquitto.as('kitchen', PASSWORDS.kitchen), '-q', '1', '-e', topic, '-W', '20'],
          ...['-t', 'sensors/kitchen/environment', '-m', '{"temperature":"warm"}'],
        ]);
        expect(JSON.parse(stdout)).toMatchObject({ code: 'invalid', topic: 'sensors/kitchen/environment' });
        expect((await others).stdout).toBe('');
      });
    });

    test('no device can take the place of the gateway, nor throw away what waits for it', async () => {
      await withReader(async (mosquitto, gateway) => {
        const [, clientId = ''] = / as (\S+) \(p\d, c\d, k\d+, u'gateway'\)/.exec(mosquitto.log()) ?? [];
        expect(clientId).toMatch(/^telemetry-gateway-.*-house$/);
        const attack = async (): Promise<void> => {
          for (const version of ['311', '5']) {
            const { code } = await run('mosquitto_pub', [
              ...[...mosquitto.as('kitchen', PASSWORDS.kitchen), '-i', clientId, '-V', version, '-q', '1'],
              ...['-t', 'sensors/kitchen/environment', '-m', '{"temperature":21.5}'],
            ]);
            expect(code).toBe(0);
          }
        };
        await attack();
        await until('they were read', async () => (await storedOf(gateway, 'kitchen')) === 2, PATIENTLY);
        // It connects as the same user.
        expect((await gateway.command('check')).stdout).toContain('broker house');
        expect(gateway.log()).not.toContain('is lost');

        await gateway.stop();
        for (let i = 0; i < 20; i += 1) await publish(mosquitto, 'cellar', i);
        await attack();
        await gateway.restart();
        await until('all came', async () => (await storedOf(gateway, 'cellar')) >= 20, PATIENTLY);
        expect([await storedOf(gateway, 'cellar'), await storedOf(gateway, 'kitchen')]).toEqual([20, 4]);
      });
    });

    test('idle connections to the port of devices do not shut out the gateway, with 1,024 files', async () => {
      const mosquitto = await startHardenedMosquitto({ passwords: PASSWORDS, maxFiles: 1_024 });
      const idle: Socket[] = [];
      try {
        for (let i = 0; i < 1_100; i += 1) idle.push(await opened(mosquitto.tlsPort));
        const { code, stderr } = await run('mosquitto_sub', [
          ...['-h', '127.0.0.1', '-p', String(mosquitto.port), '-u', 'gateway', '-P', PASSWORDS.gateway],
          ...['-t', 'sensors/#', '-E', '-W', '10'],
        ]);
        expect([code, stderr]).toEqual([0, '']);
      } finally {
        for (const socket of idle) socket.destroy();
        await mosquitto.stop();
      }
    });

    test('a gateway on another machine comes in by its certificate, and a device does not', async () => {
      const elsewherePort = await freePort();
      const mosquitto = await startHardenedMosquitto({ passwords: PASSWORDS, elsewherePort });
      const file = (name: string): string => join(mosquitto.folder, name);
      const brokers = [
        {
          ...house(mosquitto),
          url: `mqtts://localhost:${elsewherePort}`,
          caFile: mosquitto.caFile,
          certFile: file('gateway.crt'),
          keyFile: file('gateway.key'),
        },
      ];
      const gateway = await startGateway({ config: { brokers } });
      try {
        await untilSubscribed(gateway);
        await gateway.stop();
        for (let i = 0; i < 5; i += 1) await publish(mosquitto, 'cellar', i);
        const { code } = await run('mosquitto_pub', [
          ...[...mosquitto.as('cellar', PASSWORDS.cellar), '-p', String(elsewherePort), '-q', '1'],
          ...['-t', 'sensors/cellar/environment', '-m', '{"temperature":99}'],
        ]);
        expect(code).not.toBe(0);
        expect((await gateway.command('check')).stdout).toMatch(/^ok +broker house/m);
        await gateway.restart();
        await until('they came', async () => (await storedOf(gateway, 'cellar')) >= 5, PATIENTLY);
        expect(await storedOf(gateway, 'cellar')).toBe(5);
      } finally {
        await gateway.stop();
        await mosquitto.stop();
      }
    });

    test('a browser has the id of its user too', async () => {
      const webSocketPort = await freePort();
      const mosquitto = await startHardenedMosquitto({ passwords: PASSWORDS, webSocketPort });
      try {
        const client = await connectAsync(`wss://localhost:${webSocketPort}`, {
          ca: readFileSync(mosquitto.caFile),
          username: 'kitchen',
          password: PASSWORDS.kitchen,
          clientId: 'telemetry-gateway-here-house',
        });
        await client.publishAsync('sensors/kitchen/environment', '{"temperature":21.5}', { qos: 1 });
        await client.endAsync();
        expect(mosquitto.log()).toMatch(/ as kitchen \(p\d, c\d, k\d+, u'kitchen'\)/);
      } finally {
        await mosquitto.stop();
      }
    });

    test('passwords are read again on SIGHUP, and everybody stays connected', async () => {
      await withReader(async (mosquitto, gateway) => {
        const file = /^password_file (.*)$/m.exec(mosquitto.conf)?.[1] ?? '';
        const { code } = await run('mosquitto_passwd', ['-b', file, 'attic', '4ttic']);
        expect(code).toBe(0);
        process.kill(mosquitto.pid(), 'SIGHUP');
        await until(
          'the new one gets in',
          async () => {
            const { code: failed } = await run('mosquitto_pub', [
              ...[...mosquitto.as('attic', '4ttic'), '-q', '1'],
              ...['-t', 'sensors/attic/environment', '-m', '{"temperature":21.5}'],
            ]);
            return failed === 0;
          },
          PATIENTLY,
        );
        await until('it was read', async () => (await storedOf(gateway, 'attic')) === 1, PATIENTLY);
        expect(gateway.log()).not.toContain('is lost');
      });
    });

    test('can bridge to the gateway instead, also what was sent while it was away', async () => {
      await withBridge({}, async (mosquitto, gateway) => {
        await gateway.stop();
        for (let i = 0; i < 5; i += 1) await publish(mosquitto, 'cellar', i);
        await gateway.restart();
        await until('they came too', async () => (await storedOf(gateway, 'cellar')) >= 5, PATIENTLY);
        await untilDrained(gateway);
        expect([await storedOf(gateway, 'kitchen'), await storedOf(gateway, 'cellar')]).toEqual([1, 5]);
      });
    });

    test('bridges too where somebody left out `notifications false`', async () => {
      const change = (conf: string): string => conf.replace('notifications false', 'notifications true');
      await withBridge({ change }, async () => undefined);
    });
  },
);

type Body = (mosquitto: HardenedMosquitto, gateway: GatewayProcess) => Promise<void>;

/** A Mosquitto, and a gateway that reads from it. */
async function withReader(body: Body): Promise<void> {
  const mosquitto = await startHardenedMosquitto({ passwords: PASSWORDS });
  const gateway = await startGateway({ config: { brokers: [house(mosquitto)] } });
  try {
    await untilSubscribed(gateway);
    await body(mosquitto, gateway);
  } finally {
    await gateway.stop();
    await mosquitto.stop();
  }
}

/** A gateway, and a Mosquitto that bridges to it: one reading has come over already. */
async function withBridge(
  { change }: { readonly change?: (conf: string) => string },
  body: Body,
): Promise<void> {
  const gateway = await startGateway();
  const mosquitto = await startHardenedMosquitto({
    passwords: PASSWORDS,
    bridgeTo: gateway.port,
    ...(change === undefined ? {} : { change }),
  });
  try {
    await publish(mosquitto, 'kitchen', 21.5);
    await until('it came over the bridge', async () => (await storedOf(gateway, 'kitchen')) === 1, PATIENTLY);
    await body(mosquitto, gateway);
  } finally {
    await mosquitto.stop();
    await gateway.stop();
  }
}

/** As the comment at the top of mosquitto.conf has it. */
function house(mosquitto: HardenedMosquitto): object {
  return {
    name: 'house',
    url: `mqtt://127.0.0.1:${mosquitto.port}`,
    username: 'gateway',
    password: PASSWORDS.gateway,
    subscribe: [
      { topic: 'sensors/#', qos: 1 },
      { topic: 'site/#', qos: 1 },
    ],
    receipts: 'gateway/receipts',
  };
}

/** What is published before the first subscription is for nobody: there is no session yet that it could wait in. */
async function untilSubscribed(gateway: GatewayProcess): Promise<void> {
  const isReady = async (): Promise<boolean> => {
    const health = await gateway.get('/health/ready');
    return typeof health === 'object' && health !== null && Reflect.get(health, 'status') === 'ok';
  };
  await until('the gateway has subscribed', isReady, PATIENTLY);
}

async function publish(
  mosquitto: HardenedMosquitto,
  device: 'kitchen' | 'cellar',
  temperature: number,
): Promise<void> {
  const topic = `sensors/${device}/environment`;
  const payload = JSON.stringify({ temperature });
  await mosquittoPub(mosquitto.tlsPort, topic, payload, ...mosquitto.as(device, PASSWORDS[device]));
}

/** A connection that says nothing, whether it is kept or closed at once. */
function opened(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
    socket.on('error', () => undefined);
  });
}

async function storedOf(gateway: GatewayProcess, device: string): Promise<number> {
  const { devices } = await accountOf(gateway);
  return devices.find((account) => account.device === device)?.stored ?? 0;
}
