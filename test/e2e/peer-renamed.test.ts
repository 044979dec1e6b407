/** A peer gets another name while messages wait for it under the old one: docs/peers.md says what to do then. */
import { expect, test } from 'vitest';
import type { Health } from '../../gateway/operations-contract.ts';
import { accountOf, type GatewayProcess, startGateway } from '../support/gateway-process.ts';
import { until } from '../support/processes.ts';
import { RawMqtt } from '../support/raw-mqtt.ts';
import { startMosquitto } from '../support/servers.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { RESENT, writeSchemas } from '../support/test-schemas.ts';

const DEVICES = Array.from({ length: 12 }, (_, i) => `dev-${i}`);
const PATIENTLY = { timeoutMs: 60_000, everyMs: 100 };

async function reasonsOf(gateway: GatewayProcess): Promise<readonly string[]> {
  // The shape is the program's own; a wrong one fails the test that reads it.
  return ((await gateway.get('/health/ready')) as Health).reasons;
}

async function untilOk(...gateways: readonly GatewayProcess[]): Promise<void> {
  for (const gateway of gateways)
    await until('it is well', async () => (await reasonsOf(gateway)).length === 0, PATIENTLY);
}

describeWith(['mosquitto'], 'a peer that was renamed', () => {
  test('gets what waits for its old name, when that is listed again with its new one for stand-in', {
    timeout: 120_000,
  }, async () => {
    const mosquitto = await startMosquitto();
    const start = async (clientId: string): Promise<GatewayProcess> =>
      await startGateway({
        config: {
          schemas: writeSchemas(temporaryFolder('schemas'), RESENT),
          brokers: [
            {
              ...{ name: 'house', url: mosquitto.url, clientId, cleanStart: true },
              subscribe: [{ topic: 'resent/#', share: 'gateways' }],
            },
          ],
        },
      });
    const attic = await start('attic');
    const cellar = await start('cellar');
    const below = `mqtt://127.0.0.1:${cellar.port}`;
    const toAttic = { name: 'attic', url: `mqtt://127.0.0.1:${attic.port}` };
    const restart = async (gateway: GatewayProcess, name: string, ...others: readonly object[]) => {
      expect(await gateway.stop()).toBe(0);
      await gateway.restart({ peers: { name, others } });
    };
    await restart(attic, 'attic', { name: 'cellar', url: below });
    await restart(cellar, 'cellar', toAttic);
    await untilOk(attic, cellar);

    expect(await cellar.stop()).toBe(0);
    const client = await RawMqtt.connect({ port: mosquitto.port, clientId: 'publisher' });
    for (const device of DEVICES) await client.publish(`resent/${device}`, '{"boot":1,"seq":1,"value":1}');
    client.destroy();
    const came = async (): Promise<boolean> => (await accountOf(attic)).total.received === DEVICES.length;
    await until('all have come to the one that is there', came, PATIENTLY);
    const { stored, forwarded } = (await accountOf(attic)).total;
    expect(forwarded).toBeGreaterThan(0);

    // The cellar is the vault from now on.
    await cellar.restart({ peers: { name: 'vault', others: [toAttic] } });
    await restart(attic, 'attic', { name: 'vault', url: below });
    const waits = await until(
      'health says that something waits',
      async () => (await reasonsOf(attic)).find((reason) => reason.includes('peer/cellar')) ?? null,
      PATIENTLY,
    );
    expect(waits).toContain('is no longer configured');
    expect(waits).toContain('with standIn and its new name');
    expect((await accountOf(cellar)).total.stored).toBe(0);

    const old = { name: 'cellar', url: below, standIn: 'vault' };
    await restart(cellar, 'vault', toAttic, old);
    await restart(attic, 'attic', { name: 'vault', url: below }, old);
    await untilOk(attic, cellar);
    const arrived = async (): Promise<boolean> => (await accountOf(cellar)).total.stored === forwarded;
    await until('what waited is stored there', arrived, PATIENTLY);

    await restart(cellar, 'vault', toAttic);
    await restart(attic, 'attic', { name: 'vault', url: below });
    await untilOk(attic, cellar);
    expect((await accountOf(attic)).total.stored).toBe(stored);
    for (const gateway of [attic, cellar]) expect(await gateway.stop()).toBe(0);
    await mosquitto.stop();
  });
});
