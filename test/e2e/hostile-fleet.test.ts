/**
 * The hostile scenario of the simulator, every fault at 5 %, while InfluxDB is killed and restarted twice and the gateway
 * killed three times; then the audit. `E2E_HOSTILE_SECONDS=600` is the full size.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { accountOf, SIMULATOR_MAIN, startGateway, untilDrained } from '../support/gateway-process.ts';
import { start } from '../support/processes.ts';
import { startInfluxd } from '../support/servers.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const SECONDS = Number(process.env.E2E_HOSTILE_SECONDS ?? 40);
const DISASTERS = ['gateway', 'influx', 'gateway', 'influx', 'gateway'] as const;

describeWith(['influxd'], 'a hostile fleet', () => {
  test(`for ${SECONDS} s, with 3 kills of the gateway and 2 of InfluxDB: nothing lost, altered or double`, {
    timeout: (SECONDS + 240) * 1000,
  }, async () => {
    const influx = await startInfluxd();
    await influx.createDatabase('t');
    const gateway = await startGateway({
      config: {
        // Room for every rejection: one in twenty is of 300 KB.
        store: { maxBytes: '16GiB', rejected: { maxBytes: '50%' } },
        sinks: [{ name: 'influx', type: 'influxdb', url: influx.url, version: 1, database: 't' }],
      },
    });
    const simulator = start(process.execPath, [
      ...[
        SIMULATOR_MAIN,
        'run',
        'hostile',
        '--faults',
        '5%',
        '--for',
        `${SECONDS}s`,
        '-p',
        String(gateway.port),
      ],
      ...['--ledger', temporaryFolder('ledger'), '--audit', '--influx', influx.url, '--bucket', 't'],
      ...['--gateway', gateway.url, '--wait', '120s', '--json'],
    ]);
    for (const who of DISASTERS) {
      await sleep((SECONDS * 1000) / (DISASTERS.length + 1));
      const server = who === 'gateway' ? gateway : influx;
      await server.kill('SIGKILL');
      await sleep(1000);
      await server.restart();
    }
    await simulator.exited;
    const said = simulator.stdout();
    expect(simulator.ended(), said + simulator.stderr()).toBe(0);
    const { run, audit } = JSON.parse(said);
    const none = { lost: 0, 'altered-value': 0, 'altered-time': 0, double: 0, unexpected: 0 };
    expect(audit.total, JSON.stringify(audit.findings)).toMatchObject(none);
    // Acknowledged ⊆ stored ∪ rejected ∪ dropped ⊆ sent, to the reading.
    const ends: readonly number[] = Object.values(audit.acknowledged);
    expect(ends.reduce((sum, n) => sum + n, 0)).toBe(audit.total.acknowledged);
    expect(audit.dropped).toBe(0);
    expect(run.acknowledged).toBeGreaterThan(SECONDS * 10);
    await untilDrained(gateway);
    const { total } = await accountOf(gateway);
    expect(total.received).toBe(
      total.stored + total.duplicate + total.rejected + total.forwarded + total.refused,
    );
    await gateway.stop();
    await influx.stop();
  });
});
