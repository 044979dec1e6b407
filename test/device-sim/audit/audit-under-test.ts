/** A run, and what a database and a gateway hold of it afterwards: for the audit to judge. */
import { join } from 'node:path';
import type {
  AuditStore,
  Finding,
  GatewayView,
  RejectedReading,
  StoredRow,
} from '../../../device-sim/audit/audit-contract.ts';
import { type AuditResult, type AuditSettings, runAudit } from '../../../device-sim/audit/run-audit.ts';
import { isoOf } from '../../../device-sim/audit/tally.ts';
import type { MqttFault, PlannedReading } from '../../../device-sim/contracts.ts';
import { type DigestField, digestOf } from '../../../device-sim/field-digest.ts';
import { createLedger } from '../../../device-sim/ledger/create-ledger.ts';
import { openLedger } from '../../../device-sim/ledger/read-ledger.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { fieldsOf, headerOf, plannedReading, START_MS } from '../ledger/readings.ts';

export const MS = 1_000_000n;
export const START_NS = BigInt(START_MS) * MS;

/** A reading that was sent, and the row it became. */
export interface Said {
  readonly planned: PlannedReading;
  readonly offsetUs: number;
  readonly value: number;
  /** ms after it was said; null: never. */
  ackMs: number | null;
  fault: MqttFault | null;
  /** Null: none. May be changed, or taken away, behind the audit's back. */
  row: StoredRow | null;
}

export interface Scene {
  readonly said: Said[];
  readonly added: StoredRow[];
  readonly rejected: RejectedReading[];
  /** By each sink of the gateway. */
  readonly dropped: readonly number[];
  readonly rejectionsGone: number;
  readonly qos: 0 | 1;
  readonly timeUnitNs: number | null;
  readonly devices: number;
}

/**
 * `readings` of each device, one a second, acknowledged after 20 ms and stored as sent. `own`: with a time of their own in
 * ms, to which the gateway adds digits; else they have that of their arrival, 7 ms after they were said.
 */
export function sceneOf(
  how: 'own' | 'arrival',
  {
    devices = 4,
    readings = 50,
    qos = 1 as 0 | 1,
    value = (device: number, n: number) => device * 1000 + n,
  } = {},
): Scene {
  const said: Said[] = [];
  for (let n = 0; n < readings; n += 1) {
    for (let device = 0; device < devices; device += 1) {
      const offsetMs = n * 1000 + device;
      const offsetNs = how === 'own' ? BigInt(offsetMs) * MS : null;
      const timeNs = START_NS + BigInt(offsetMs) * MS + (how === 'own' ? BigInt(n % 1000) : 7n * MS);
      said.push({
        planned: plannedReading(device, n, value(device, n), { offsetNs }),
        offsetUs: offsetMs * 1000,
        value: value(device, n),
        ackMs: 20,
        fault: null,
        row: rowOf(device, timeNs, fieldsOf(value(device, n))),
      });
    }
  }
  return {
    said,
    added: [],
    rejected: [],
    dropped: [0],
    rejectionsGone: 0,
    qos,
    timeUnitNs: how === 'own' ? 1_000_000 : null,
    devices,
  };
}

export function rowOf(device: number, timeNs: bigint, fields: readonly DigestField[]): StoredRow {
  const boot: DigestField = { name: 'boot', kind: 'i', value: 77n };
  return {
    timeNs,
    tags: new Map([
      ['device', `d${device}`],
      ['site', 'north'],
    ]),
    fields: [...fields, boot],
  };
}

/** Makes a reading one that the gateway had to reject, and did. */
export function reject(scene: Scene, index: number): void {
  const said = saidOf(scene, index);
  const { device, n } = said.planned;
  const planned = plannedReading(device, n, said.value, { fate: 'rejected' });
  scene.said[index] = { ...said, planned, row: null };
  scene.rejected.push({
    device: `d${device}`,
    atMs: START_MS + said.offsetUs / 1000 + 5,
    payload: digestOf(planned.payload),
    point: null,
  });
}

export function saidOf(scene: Scene, index: number): Said {
  const said = scene.said[index];
  if (said === undefined) throw new Error(`no reading ${index}`);
  return said;
}

export function rowsOf(scene: Scene): StoredRow[] {
  return [...scene.said.flatMap(({ row }) => (row === null ? [] : [row])), ...scene.added];
}

/** Writes the ledger (into `folder`, where it is given), and lets the audit compare it with what the store holds. */
export async function auditOf(
  scene: Scene,
  store: AuditStore,
  settings: Partial<AuditSettings> & { readonly gateway?: false; readonly folder?: string } = {},
): Promise<AuditResult> {
  const { gateway, folder = join(temporaryFolder('audit'), 'ledger'), ...rest } = settings;
  let nowMs = START_MS;
  const writer = createLedger(
    folder,
    headerOf(scene.devices, { timeUnitNs: scene.timeUnitNs, qos: scene.qos }),
    () => nowMs,
  );
  const answers: { number: number; atMs: number }[] = [];
  for (const { planned, offsetUs, ackMs, fault } of scene.said) {
    const number = writer.sent(planned, offsetUs, fault);
    if (ackMs !== null) answers.push({ number, atMs: START_MS + offsetUs / 1000 + ackMs });
  }
  for (const { number, atMs } of answers) {
    nowMs = atMs;
    writer.acknowledged(number);
  }
  await writer.close();
  return await runAudit(openLedger(folder), store, gateway === false ? null : gatewayOf(scene), {
    waitMs: 0,
    slackMs: 2000,
    clockToleranceMs: 0,
    sink: null,
    before: { sinks: [], rejectionsGone: 0 },
    mostNamed: 1000,
    signal: new AbortController().signal,
    ...rest,
  });
}

function gatewayOf({ rejected, dropped, rejectionsGone }: Scene): GatewayView {
  return {
    name: 'test',
    counts: async () => ({
      sinks: dropped.map((count, i) => ({ name: `s${i}`, pending: 0, dropped: count })),
      rejectionsGone,
    }),
    rejected: async function* () {
      yield* rejected;
    },
  };
}

export function memoryStore(rows: readonly StoredRow[]): AuditStore {
  return {
    name: 'memory',
    resolutionNs: 1n,
    tellsFields: true,
    async *rows(measurement, ranges) {
      if (measurement !== 'env') return;
      for (const row of rows) {
        if (ranges.some(({ fromNs, toNs }) => row.timeNs >= fromNs && row.timeNs < toNs)) yield row;
      }
    },
    close: async () => {},
  };
}

/** Kind, device, and when: the time in the database for what is there, else the time when it was said. */
export function named(findings: readonly Finding[]): string[] {
  return findings
    .map(({ kind, device, storedAt, saidAt }) => `${kind} ${device} ${storedAt ?? saidAt ?? ''}`)
    .sort();
}

export function at(ns: bigint): string {
  return isoOf(ns);
}
