/** A steady load at QoS 1 that goes on until it is told to end, and knows how long each acknowledgement took. */
import { setTimeout as sleep } from 'node:timers/promises';
import { RawMqtt, type Reading } from './raw-mqtt.ts';

export interface PacedLoad {
  /** Readings acknowledged so far. */
  acknowledged(): number;
  sent(): number;
  failed(): number;
  /** The 99th percentile of PUBLISH to PUBACK since the last call, ms. */
  p99Ms(): number;
  /** Sends no more; resolves when everything sent is acknowledged or failed. */
  end(): Promise<void>;
}

/** Device k of the load is `prefix-k`; the n-th reading of all is `reading(device, n)`. */
export async function startPacedLoad(options: {
  port: number;
  clients: number;
  perSecond: number;
  prefix?: string;
  reading: (device: string, index: number) => Reading;
}): Promise<PacedLoad> {
  const { port, perSecond, prefix = 'paced', reading } = options;
  const names = Array.from({ length: options.clients }, (_, k) => `${prefix}-${k}`);
  const clients = await Promise.all(names.map(async (clientId) => await RawMqtt.connect({ port, clientId })));
  let sent = 0;
  let acknowledged = 0;
  let failed = 0;
  let latencies: number[] = [];
  let ended = false;

  const one = (index: number): void => {
    const turn = index % clients.length;
    const client = clients[turn];
    const name = names[turn];
    if (client === undefined || name === undefined) return;
    const { topic, payload } = reading(name, index);
    const at = performance.now();
    sent += 1;
    client.publish(topic, payload).then(
      () => {
        acknowledged += 1;
        latencies.push(performance.now() - at);
      },
      () => {
        failed += 1;
      },
    );
  };
  const began = performance.now();
  const pump = async (): Promise<void> => {
    while (!ended) {
      const due = Math.floor(((performance.now() - began) / 1000) * perSecond);
      while (sent < due) one(sent);
      await sleep(2);
    }
  };
  const pumping = pump();
  return {
    acknowledged: () => acknowledged,
    sent: () => sent,
    failed: () => failed,
    p99Ms: () => {
      const sorted = latencies.sort((a, b) => a - b);
      latencies = [];
      return sorted[Math.floor(sorted.length * 0.99)] ?? 0;
    },
    end: async () => {
      ended = true;
      await pumping;
      const deadline = performance.now() + 10_000;
      while (acknowledged + failed < sent && performance.now() < deadline) await sleep(10);
      for (const client of clients) client.destroy();
    },
  };
}
