/** Clients as people have them, that send until everything is acknowledged: mqtt.js, and `mosquitto_pub`. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectAsync } from 'mqtt';
import { type Running, start } from './processes.ts';
import { temporaryFolder } from './temporary-folder.ts';

export interface ResendingOptions {
  readonly port: number;
  readonly clientId: string;
  readonly topic: string;
  readonly qos: 1 | 2;
  readonly count: number;
  readonly payload: (seq: number) => string;
  /** Waited for before each reading (mqtt.js only). */
  readonly mayGoOn?: (seq: number) => Promise<void>;
}

const WINDOW = 50;

/** One mqtt.js client with a session, which resends after each reconnect, without DUP. */
export async function sendByMqttJs(options: ResendingOptions): Promise<void> {
  const { port, clientId, topic, qos, count, payload, mayGoOn } = options;
  const client = await connectAsync(
    `mqtt://127.0.0.1:${port}`,
    { clientId, clean: false, reconnectPeriod: 50, connectTimeout: 5000, protocolVersion: 4, keepalive: 20 },
    true,
  );
  client.on('error', () => undefined);
  let next = 0;
  const sendOn = async (): Promise<void> => {
    while (next < count) {
      const seq = next;
      next += 1;
      await mayGoOn?.(seq);
      // Only what it has not begun to send comes back with an error: what was published while it was still resending.
      while (!(await accepted(client.publishAsync(topic, payload(seq), { qos })))) await sleep(10);
    }
  };
  await Promise.all(Array.from({ length: WINDOW }, sendOn));
  await client.endAsync(true);
}

async function accepted(publishing: Promise<unknown>): Promise<boolean> {
  try {
    await publishing;
    return true;
  } catch {
    return false;
  }
}

/** So many lines go into one process: no more than the gateway remembers transfers of one client. */
const BATCH = 400;

/**
 * `mosquitto_pub -l` with a session, one process for many lines. One that ends otherwise than well is started again with
 * the same lines, as a device does that sends from a file. Resolves with how these ended: exit codes and signals.
 */
export async function sendByMosquittoPub(
  options: ResendingOptions & { readonly onProcess: (process: Running) => void },
): Promise<readonly (number | string)[]> {
  const { port, clientId, topic, qos, count, payload } = options;
  const file = join(temporaryFolder('lines'), 'lines');
  const ended: (number | string)[] = [];
  for (let from = 0; from < count; from += BATCH) {
    const seqs = Array.from({ length: Math.min(BATCH, count - from) }, (_, i) => from + i);
    writeFileSync(file, seqs.map((seq) => `${payload(seq)}\n`).join(''));
    for (;;) {
      const process = start('sh', [
        ...['-c', 'exec mosquitto_pub "$@" < "$0"', file],
        ...[
          '-h',
          '127.0.0.1',
          '-p',
          String(port),
          '-i',
          clientId,
          '-c',
          '-q',
          String(qos),
          '-t',
          topic,
          '-l',
        ],
      ]);
      options.onProcess(process);
      const how = await process.exited;
      if (how === 0) break;
      ended.push(how);
      // A gateway that is just starting again would refuse it at once.
      await sleep(100);
    }
  }
  return ended;
}
