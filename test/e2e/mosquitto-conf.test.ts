/** The shipped mosquitto.conf and ACL, as they are but for paths and ports, in a real Mosquitto. */
import { expect, test } from 'vitest';
import { accountOf, type GatewayProcess, startGateway, untilDrained } from '../support/gateway-process.ts';
import { type HardenedMosquitto, startHardenedMosquitto } from '../support/hardened-mosquitto.ts';
import { run, until } from '../support/processes.ts';
import { mosquittoPub } from '../support/servers.ts';
import { describeWith } from '../support/services.ts';

const PASSWORDS = { gateway: 'correct horse', kitchen: 'k1tchen', cellar: 'c3llar' };
const PATIENTLY = { timeoutMs: 30_000, everyMs: 200 };

describeWith(
  ['mosquitto', 'mosquitto_pub', 'mosquitto_passwd', 'openssl'],
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
        const listen = (user: 'kitchen' | 'cellar'): Promise<{ stdout: string }> =>
          run('mosquitto_sub', [
            ...[
              ...mosquitto.as(user, PASSWORDS[user]),
              '-t',
              'gateway/receipts/kitchen',
              '-C',
              '1',
              '-W',
              '8',
            ],
          ]);
        const [own, others] = [listen('kitchen'), listen('cellar')];
        await until(
          'both listen',
          () => (mosquitto.log().match(/Received SUBSCRIBE|New client connected/g)?.length ?? 0) >= 3,
          PATIENTLY,
        );
        await until(
          'the receipt came',
          async () => {
            await mosquittoPub(
              mosquitto.tlsPort,
              'sensors/kitchen/environment',
              '{"temperature":"warm"}',
              ...mosquitto.as('kitchen', PASSWORDS.kitchen),
            );
            return await Promise.race([
              own.then(() => true),
              new Promise((done) => setTimeout(done, 300, false)),
            ]);
          },
          PATIENTLY,
        );
        expect(JSON.parse((await own).stdout)).toMatchObject({
          code: 'invalid',
          topic: 'sensors/kitchen/environment',
        });
        expect((await others).stdout).toBe('');
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

async function storedOf(gateway: GatewayProcess, device: string): Promise<number> {
  const { devices } = await accountOf(gateway);
  return devices.find((account) => account.device === device)?.stored ?? 0;
}
