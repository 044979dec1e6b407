import type {
  BadReading,
  Formats,
  Message,
  Outcome,
  Point,
  Reading,
  Route,
  TakenReceipt,
} from '../contracts.ts';
import type { Ledgers } from '../ledger-contract.ts';
import { accountedClient } from '../sources/mqtt-broker/generated-ids.ts';
import type { Group } from '../store-contract.ts';
import { formatOf } from './format-of.ts';

export interface KeepDeps {
  readonly formats: Formats;
  readonly ledgers: Ledgers;
  /** Names the text of a schema in force; null where there is none of this `$id`. */
  readonly versionOf: (schema: string) => string | null;
}

export interface Kept {
  readonly outcomes: readonly Outcome[];
  /** Commits of other groups that carry originals of repeats in here: wait for them too. Null where there are none. */
  readonly originals: Promise<void> | null;
}

/** Puts the readings of one message into the open group: each is counted at the door and ends under one outcome. */
export type Keep = (
  message: Message,
  route: Route | null,
  readings: readonly Reading[],
  group: Group,
  nowMs: number,
) => Kept;

const STORED: Outcome = Object.freeze({ kind: 'stored', receipt: null });
const DUPLICATE: Outcome = Object.freeze({ kind: 'duplicate', receipt: null });
const ONE_STORED: Kept = Object.freeze({ outcomes: Object.freeze([STORED]), originals: null });

export function createKeep({ formats, ledgers, versionOf }: KeepDeps): Keep {
  function store(point: Point, message: Message, group: Group, nowMs: number): void {
    const { source } = message;
    group.point(point.line);
    ledgers.keep(point, group);
    group.count(source, point.device, 'stored', 1);
    ledgers.saw(point, point.device, 'stored', message, nowMs);
  }

  function reject(
    bad: BadReading,
    device: string,
    message: Message,
    element: Buffer | undefined,
    index: number | null,
    group: Group,
    nowMs: number,
  ): Outcome {
    const { code, violations, schema, seq } = bad;
    const { source, topic, client, username, format, relay } = message;
    const id = group.reject({
      code,
      source,
      topic,
      client,
      device,
      schema,
      index,
      atMs: nowMs,
      payload: element ?? message.payload,
      violations,
      sink: null,
      username,
      format,
      relay,
      schemaVersion: schema === null ? null : versionOf(schema),
    });
    group.count(source, device, 'rejected', 1);
    ledgers.saw(bad, device, 'rejected', message, nowMs);
    return { kind: 'rejected', id, code, violations, atMs: nowMs, seq };
  }

  return (message, route, readings, group, nowMs) => {
    const [first] = readings;
    const { source } = message;
    if (first?.kind === 'point' && readings.length === 1) {
      group.receive(source, first.device, 1);
      if (ledgers.judge(first) === null) {
        store(first, message, group, nowMs);
        const receipt = receiptOf(first, message, nowMs);
        return receipt === null ? ONE_STORED : { outcomes: [{ kind: 'stored', receipt }], originals: null };
      }
    } else {
      for (const reading of readings) group.receive(source, deviceOf(reading, message, route), 1);
    }
    let elements: readonly Buffer[] | null = null;
    /** A list of bad readings must not be kept once for each of them: an element is kept alone. */
    const elementAt = (i: number): Buffer | undefined => {
      if (readings.length === 1) return undefined;
      const spec = route === null ? (message.format ?? '') : formatOf(message, route);
      elements ??= formats.get(spec)?.elements(message.payload) ?? [];
      return elements[i];
    };
    const originals = new Set<Promise<void>>();
    const outcomes = readings.map((reading, i): Outcome => {
      const index = readings.length > 1 ? i : null;
      const device = deviceOf(reading, message, route);
      if (reading.kind === 'bad') return reject(reading, device, message, elementAt(i), index, group, nowMs);
      const judgement = ledgers.judge(reading);
      if (judgement === null) {
        store(reading, message, group, nowMs);
        const receipt = receiptOf(reading, message, nowMs);
        return receipt === null ? STORED : { kind: 'stored', receipt };
      }
      if (judgement.kind === 'duplicate') {
        if (judgement.original !== null) originals.add(judgement.original);
        group.count(source, device, 'duplicate', 1);
        ledgers.saw(reading, device, 'duplicate', message, nowMs);
        const receipt = receiptOf(reading, message, nowMs);
        return receipt === null ? DUPLICATE : { kind: 'duplicate', receipt };
      }
      const { code, violations } = judgement;
      const { schema, sentUs, seq } = reading;
      const bad: BadReading = { kind: 'bad', device, schema, code, violations, sentUs, seq };
      return reject(bad, device, message, elementAt(i), index, group, nowMs);
    });
    return { outcomes, originals: together(originals) };
  };
}

function receiptOf({ receipt, seq }: Point, { receipts }: Message, atMs: number): TakenReceipt | null {
  return receipt || receipts ? { atMs, seq, bySchema: receipt } : null;
}

function together(promises: ReadonlySet<Promise<void>>): Promise<void> | null {
  if (promises.size === 0) return null;
  return Promise.all(promises).then(() => undefined);
}

function deviceOf(reading: Reading, message: Message, route: Route | null): string {
  return reading.device ?? accountedDevice(message, route);
}

/** The account is kept per device; what cannot be laid to a device is laid to the client that sent it. */
export function accountedDevice(message: Message, route: Route | null): string {
  return route?.deviceOf(message) ?? message.device ?? `client:${accountedClient(message.client)}`;
}
