/** N devices, each with a connection of its own, sending at a steady rate. */
import { connectAsync, type MqttClient } from 'mqtt';
import { createDevice, type Device } from './device.ts';
import { Latencies } from './latencies.ts';
import type { ReadingSchema } from './reading-schemas.ts';
import { newCounts, type Summary, summaryOf } from './summary.ts';

export interface FleetOptions {
  /** `mqtt://host:port`. */
  readonly url: string;
  readonly devices: number;
  /** Of each device. */
  readonly readingsPerSecond: number;
  readonly qos: 0 | 1 | 2;
  /** Null: until the signal. */
  readonly durationMs: number | null;
  /** 0 to 1. */
  readonly badShare: number;
  readonly seed: number;
  readonly schemas: readonly ReadingSchema[];
  /** How long to wait at the end for what is unacknowledged; 10 s unless given. */
  readonly settleMs?: number;
  readonly username?: string;
  readonly password?: string;
}

/** A device sends no more while so many of its readings are unacknowledged: what bounds the simulator's memory. */
const MAX_IN_FLIGHT = 100;
const TICK_MS = 20;
const LAST_ACKNOWLEDGEMENTS_MS = 10_000;
const CONNECT_TOGETHER = 50;

interface Member {
  readonly device: Device;
  readonly client: MqttClient;
  inFlight: number;
}

/**
 * Runs the fleet until its time is over or the signal aborts, then waits (10 s at most) for what is unacknowledged.
 * @throws Error when a device cannot connect at first.
 */
export async function runFleet(options: FleetOptions, signal: AbortSignal): Promise<Summary> {
  const counts = newCounts();
  const latencies = new Latencies();
  const members: Member[] = [];

  const send = (member: Member): void => {
    const { topic, payload, fault } = member.device.next();
    const bad = fault === null ? 0 : 1;
    const sentAt = performance.now();
    counts.sent += 1;
    counts.badSent += bad;
    member.inFlight += 1;
    member.client.publish(topic, payload, { qos: options.qos }, (error) => {
      member.inFlight -= 1;
      if (error) {
        counts.failed += 1;
        return;
      }
      counts.acknowledged += 1;
      counts.badAcknowledged += bad;
      if (options.qos > 0) latencies.record(performance.now() - sentAt);
    });
  };

  try {
    await connectAll(options, members, counts);
    const began = performance.now();
    const perMs = (options.devices * options.readingsPerSecond) / 1000;
    while (!signal.aborted) {
      const elapsed = performance.now() - began;
      const over = options.durationMs !== null && elapsed >= options.durationMs;
      const due = Math.floor(Math.min(elapsed, options.durationMs ?? elapsed) * perMs);
      for (; counts.offered < due; counts.offered += 1) {
        const member = members[counts.offered % members.length];
        if (member === undefined) continue;
        if (member.inFlight < MAX_IN_FLIGHT && member.client.connected) send(member);
        else counts.heldBack += 1;
      }
      if (over) break;
      await pause(TICK_MS, signal);
    }
    const seconds = (performance.now() - began) / 1000;
    const deadline = performance.now() + (options.settleMs ?? LAST_ACKNOWLEDGEMENTS_MS);
    while (members.some(({ inFlight }) => inFlight > 0) && performance.now() < deadline) await pause(TICK_MS);
    return summaryOf(counts, latencies, members.length, seconds);
  } finally {
    await Promise.all(members.map(async ({ client }) => await client.endAsync(true)));
  }
}

async function connectAll(
  options: FleetOptions,
  members: Member[],
  counts: { receipts: number; reconnects: number },
): Promise<void> {
  const join = async (index: number): Promise<void> => {
    const schema = options.schemas[index % options.schemas.length];
    if (schema === undefined) throw new Error('there are no reading schemas');
    const device = createDevice({
      index,
      schema,
      seed: options.seed,
      badShare: options.badShare,
      nowMs: Date.now,
    });
    const client = await connectAsync(
      options.url,
      {
        clientId: device.name,
        clean: false,
        reconnectPeriod: 500,
        ...(options.username === undefined ? {} : { username: options.username }),
        ...(options.password === undefined ? {} : { password: options.password }),
      },
      false,
    );
    client.on('error', () => undefined);
    client.on('reconnect', () => {
      counts.reconnects += 1;
    });
    client.on('message', () => {
      counts.receipts += 1;
    });
    members.push({ device, client, inFlight: 0 });
    client.subscribe(`gateway/receipts/${device.name}`, { qos: 0 }, () => undefined);
  };
  for (let first = 0; first < options.devices; first += CONNECT_TOGETHER) {
    const size = Math.min(CONNECT_TOGETHER, options.devices - first);
    const settled = await Promise.allSettled(Array.from({ length: size }, (_, i) => join(first + i)));
    const failed = settled.find((each) => each.status === 'rejected');
    if (failed !== undefined) throw new Error(`cannot connect to ${options.url}: ${String(failed.reason)}`);
  }
}

function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    }
    signal?.addEventListener('abort', done);
  });
}
