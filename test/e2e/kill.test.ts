/** `kill -9` at random moments under load: what was acknowledged is in InfluxDB, and nothing is in DuckDB twice. */
import { expect, test } from 'vitest';
import { duckdbRows } from '../support/duckdb-rows.ts';
import { startGateway, untilDrained } from '../support/gateway-process.ts';
import { RawMqtt } from '../support/raw-mqtt.ts';
import { startInfluxd } from '../support/servers.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { ENVIRONMENT, environmentReading, writeSchemas } from '../support/test-schemas.ts';

const ROUNDS = Number(process.env.E2E_KILL_ROUNDS ?? 20);
const CLIENTS = 8;
const WINDOW = 40;
const startMs = Date.now() - 3_600_000;

/** A device that resends with DUP, after each reconnect, what was not acknowledged: as MQTT 3.1.1 §4.4 asks. */
class Sender {
  readonly device: string;
  readonly acknowledged = new Set<number>();
  readonly #open = new Map<number, Promise<void>>();
  readonly #unacknowledged = new Set<number>();
  #nextSeq = 0;

  constructor(device: string) {
    this.device = device;
  }

  get sent(): number {
    return this.#nextSeq;
  }

  /** Sends until the connection breaks, or `enough` says so and everything is acknowledged. */
  async run(port: number, enough: () => boolean): Promise<void> {
    const client = await RawMqtt.connect({ port, clientId: this.device, clean: false }).catch(() => null);
    // Killed before it answered.
    if (client === null) return;
    for (const seq of this.#unacknowledged) this.#publish(client, seq, true);
    while (!client.closed) {
      while (this.#open.size < WINDOW && !enough() && !client.closed) {
        this.#unacknowledged.add(this.#nextSeq);
        this.#publish(client, this.#nextSeq, false);
        this.#nextSeq += 1;
      }
      if (this.#open.size === 0) break;
      await Promise.race(this.#open.values());
    }
    this.#open.clear();
    client.destroy();
  }

  #publish(client: RawMqtt, seq: number, dup: boolean): void {
    const { topic, payload } = environmentReading(this.device, seq, startMs);
    const done = client.publish(topic, payload, { qos: 1, messageId: (seq % 65_535) + 1, dup }).then(
      () => {
        this.acknowledged.add(seq);
        this.#unacknowledged.delete(seq);
      },
      () => undefined,
    );
    this.#open.set(
      seq,
      done.finally(() => this.#open.delete(seq)),
    );
  }
}

describeWith(['influxd', 'duckdb'], 'killed at any moment', () => {
  test(`${ROUNDS} rounds lose nothing acknowledged and store nothing twice`, {
    timeout: 180_000,
  }, async () => {
    const influx = await startInfluxd();
    await influx.createDatabase('t');
    const gateway = await startGateway({
      config: {
        schemas: writeSchemas(temporaryFolder('schemas'), ENVIRONMENT),
        sinks: [
          { name: 'influx', type: 'influxdb', url: influx.url, version: 1, database: 't' },
          { name: 'embedded', type: 'embedded' },
        ],
      },
    });
    const senders = Array.from({ length: CLIENTS }, (_, k) => new Sender(`dev-${k}`));
    for (let round = 1; round <= ROUNDS; round += 1) {
      const running = Promise.all(senders.map(async (sender) => await sender.run(gateway.port, () => false)));
      await new Promise((resolve) => setTimeout(resolve, 30 + Math.random() * 400));
      await gateway.kill('SIGKILL');
      await running;
      await gateway.restart();
    }
    await Promise.all(senders.map(async (sender) => await sender.run(gateway.port, () => true)));
    await untilDrained(gateway, 'influx', 60_000);
    await untilDrained(gateway, 'embedded', 60_000);

    for (const sender of senders) {
      expect(sender.acknowledged.size).toBe(sender.sent);
      const rows = await influx.query(`SELECT seq FROM environment WHERE device = '${sender.device}'`, 't');
      const found = new Set(rows.map(({ seq }) => Number(seq)));
      expect([...sender.acknowledged].filter((seq) => !found.has(seq))).toEqual([]);
    }
    expect(await gateway.stop()).toBe(0);
    const [counted] = await duckdbRows(
      gateway.dataDir,
      'SELECT count(*) AS readings, count(DISTINCT (device, seq)) AS different FROM environment',
    );
    const sent = senders.reduce((sum, sender) => sum + sender.sent, 0);
    expect(counted).toEqual({ readings: sent, different: sent });
    expect(sent).toBeGreaterThan(ROUNDS * 100);
    await influx.stop();
  });
});
