/** The shipped mosquitto.conf, as it is but for ports and folder: Mosquitto in front, bridged to the gateway. */
import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  accountOf,
  type GatewayProcess,
  REPOSITORY,
  startGateway,
  untilDrained,
} from '../support/gateway-process.ts';
import { until } from '../support/processes.ts';
import { mosquittoPub, startMosquitto } from '../support/servers.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const BRIDGE_MS = { timeoutMs: 30_000, everyMs: 200 };

describeWith(['mosquitto', 'mosquitto_pub'], 'Mosquitto in front', () => {
  test('its readings reach the gateway over the bridge, also those sent while it was away', async () => {
    const gateway = await startGateway();
    const folder = temporaryFolder('mosquitto');
    // Started by root, it becomes the user mosquitto.
    chmodSync(folder, 0o777);
    const conf = readFileSync(join(REPOSITORY, 'mosquitto.conf'), 'utf8')
      .replace('listener 1883 127.0.0.1', 'listener PORT 127.0.0.1')
      .replace('127.0.0.1:1884', `127.0.0.1:${gateway.port}`)
      .replace('./mosquitto-data/', `${folder}/`)
      .replace('restart_timeout 1 30', 'restart_timeout 1 1');
    const mosquitto = await startMosquitto({ conf });
    try {
      const send = (device: string, temperature: number): Promise<void> =>
        mosquittoPub(mosquitto.port, `sensors/${device}/environment`, `{"temperature":${temperature}}`);
      await send('present', 21.5);
      await until(
        'it came over the bridge',
        async () => (await storedOf(gateway, 'present')) === 1,
        BRIDGE_MS,
      );
      await gateway.stop();
      for (let i = 0; i < 5; i += 1) await send('away', i);
      await gateway.restart();
      await until('they came too', async () => (await storedOf(gateway, 'away')) >= 5, BRIDGE_MS);
      await untilDrained(gateway);
      expect([await storedOf(gateway, 'present'), await storedOf(gateway, 'away')]).toEqual([1, 5]);
    } finally {
      await mosquitto.stop();
      await gateway.stop();
    }
  });
});

async function storedOf(gateway: GatewayProcess, device: string): Promise<number> {
  const { devices } = await accountOf(gateway);
  return devices.find((account) => account.device === device)?.stored ?? 0;
}
