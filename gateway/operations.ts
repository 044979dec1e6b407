import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from './contracts.ts';
import { GatewayError } from './errors.ts';
import { balanceOf } from './operations/account-balance.ts';
import { brokerTroubles } from './operations/broker-troubles.ts';
import { forwardTroubles } from './operations/forward-troubles.ts';
import { causesOf, createRejectedOperations, type SchemaHistory } from './operations/operations-rejected.ts';
import type { TopicsSeen } from './operations/topics-seen.ts';
import { unclaimedBacklogs } from './operations/unclaimed-backlogs.ts';
import type {
  DeviceAccount,
  DeviceFilter,
  DeviceReport,
  ExplainRequest,
  Explanation,
  FieldReport,
  GatewayStatus,
  Health,
  Operations,
  SeriesReport,
  TopicReport,
} from './operations-contract.ts';
import { printable, printableBytes } from './printable.ts';
import type { Replay } from './replay.ts';
import type { SinkHealth } from './sink-contract.ts';
import type { Store, Tally } from './store-contract.ts';

/** What the ledgers know, for people. */
export interface LedgerAnswers {
  seriesReport(): SeriesReport;
  seriesOf(device: string): number;
  fieldsReport(): readonly FieldReport[];
  /** False where it is not known. */
  forgetField(measurement: string, field: string): Promise<boolean>;
}

export interface OperationsDeps {
  readonly version: string;
  readonly pid: number;
  /** Null where a command opened the files because no gateway runs. */
  readonly running: {
    readonly startedMs: number;
    readonly sources: () => GatewayStatus['sources'];
    readonly forwards: () => GatewayStatus['forwards'];
    readonly sinkHealth: () => readonly SinkHealth[];
    readonly topics: TopicsSeen;
    /** What is wrong with the gateway's own clock; null when nothing is. */
    readonly clockTrouble: () => string | null;
  } | null;
  readonly store: Store;
  /** Names of the sinks in today's configuration. */
  readonly configuredSinks: ReadonlySet<string>;
  /** The same for forwards. */
  readonly configuredForwards: ReadonlySet<string>;
  readonly schemas: () => readonly string[];
  readonly schemaErrors: () => number;
  readonly nearest: (topic: string) => string | null;
  readonly explain: (request: ExplainRequest) => Explanation;
  readonly replay: Replay;
  readonly history: SchemaHistory;
  readonly ledgers: LedgerAnswers;
  /** The registry. */
  readonly devices: {
    /** Latest heard first. */
    list(filter: DeviceFilter, limit: number): readonly DeviceReport[];
    report(device: string): DeviceReport | null;
  };
  readonly clock: Clock;
}

const MAX_ROWS = 1_000;
const NOT_RUNNING = { url: null, state: null, reason: null, lastSentMs: null } as const;
const TOPICS_A_TURN = 8;

/** The operations over a store, whether a gateway runs on it or a command has opened it. */
export function createOperations(deps: OperationsDeps): Operations {
  const { store, running, clock } = deps;
  const rejected = createRejectedOperations(deps);

  async function health(): Promise<Health> {
    const { state, reason } = store.status();
    // Of a full store they may be the reason.
    const troubles = state === 'open' || state === 'full' ? otherTroubles() : [];
    if (state !== 'open')
      return {
        status: 'unavailable',
        reasons: [`the store takes no readings: ${reason ?? state}`, ...troubles],
      };
    return { status: troubles.length === 0 ? 'ok' : 'degraded', reasons: troubles };
  }

  /** Of everything but the store itself. */
  function otherTroubles(): string[] {
    const reasons = (running?.sinkHealth() ?? [])
      .filter((sink) => sink.state === 'retrying' || sink.state === 'paused')
      .map((sink) => `sink ${sink.name} is ${sink.state}: ${sink.reason ?? 'no reason given'}`);
    for (const { broker } of running?.sources() ?? [])
      if (broker !== undefined) reasons.push(...brokerTroubles(broker));
    for (const forward of running?.forwards() ?? []) reasons.push(...forwardTroubles(forward, clock.nowMs()));
    reasons.push(...unclaimedBacklogs(sinkLedgers(), outboxLedgers()));
    const clockTrouble = running?.clockTrouble() ?? null;
    if (clockTrouble !== null) reasons.push(clockTrouble);
    const schemaErrors = deps.schemaErrors();
    if (schemaErrors > 0)
      reasons.push(
        `${schemaErrors} schema file(s) cannot be used; the last good version of each is in force`,
      );
    return reasons;
  }

  function sinkLedgers(): ReturnType<Store['sinks']> {
    return store.sinks().map((ledger) => ({ ...ledger, configured: deps.configuredSinks.has(ledger.name) }));
  }

  function outboxLedgers(): ReturnType<Store['outboxes']> {
    return store
      .outboxes()
      .map((ledger) => ({ ...ledger, configured: deps.configuredForwards.has(ledger.name) }));
  }

  return {
    ...rejected,
    health,

    async status() {
      return {
        version: deps.version,
        pid: deps.pid,
        running: running !== null,
        startedMs: running?.startedMs ?? 0,
        store: store.status(),
        sources: running?.sources() ?? [],
        forwards: running?.forwards() ?? [],
        schemas: deps.schemas(),
        schemaErrors: deps.schemaErrors(),
      };
    },

    async account() {
      const account = store.account();
      const { total, sources, codes, devices } = account;
      const sinks = sinkLedgers();
      return {
        total,
        sources,
        codes,
        rejections: {
          open: store.status().rejectedOpenCount,
          replayed: account.rejectedReplayed,
          discarded: account.rejectedDiscarded,
          evicted: account.rejectedEvicted,
        },
        imbalances: balanceOf(account, sinks).imbalances,
        deviceCount: devices.size,
        devices: busiest(devices),
        sinks,
      };
    },

    async deviceAccount(device) {
      const tally = store.account().devices.get(device);
      if (tally === undefined) throw unknownDevice(device);
      return { device, ...tally };
    },

    async topics() {
      if (running === null)
        throw new GatewayError('not-running', 'topics are counted while a gateway runs, and none does');
      const rows: TopicReport[] = [];
      for (const { topic, count, schemas, lastMs, sample } of running.topics.list().slice(0, MAX_ROWS)) {
        // Comparing one long topic with every schema may take milliseconds: others get their turn.
        if (rows.length % TOPICS_A_TURN === 0) await turn();
        const nearest = schemas.length === 0 ? deps.nearest(topic) : null;
        rows.push({ topic, count, schemas, lastMs, sample: printableBytes(sample), nearest });
      }
      return rows;
    },

    async sinks() {
      const health = new Map(running?.sinkHealth().map((each) => [each.name, each]));
      return sinkLedgers().map((ledger) => {
        const live = health.get(ledger.name);
        return {
          ...ledger,
          state: live?.state ?? null,
          reason: live?.reason ?? null,
          lastWriteMs: live?.lastWriteMs ?? null,
        };
      });
    },

    async forwards() {
      const live = new Map(running?.forwards().map((each) => [each.name, each]));
      return outboxLedgers().map((ledger) => {
        const { url, state, reason, lastSentMs } = live.get(ledger.name) ?? NOT_RUNNING;
        return { ...ledger, url, state, reason, lastSentMs };
      });
    },

    async forgetSink(name) {
      const isForward = store.outboxes().some((outbox) => outbox.name === name);
      if (deps.configuredSinks.has(name) || deps.configuredForwards.has(name))
        throw new GatewayError(
          'sink-configured',
          `the ${isForward ? 'forward' : 'sink'} ${printable(name, 128)} is in use; remove it from the configuration first`,
        );
      // Names are of one kind in a configuration; of two, one is from an earlier one. The sink goes first.
      const kind = isForward && !store.sinks().some((sink) => sink.name === name) ? 'forward' : 'sink';
      const { pending, pendingBytes } =
        kind === 'forward' ? await store.forgetOutbox(name) : await store.forgetSink(name);
      return { name, kind, pending, pendingBytes: pending === 0 ? 0 : pendingBytes };
    },

    async devices(filter) {
      return deps.devices.list(filter, MAX_ROWS);
    },

    async device(device) {
      const known = deps.devices.report(device);
      const tally = store.account().devices.get(device) ?? null;
      if (known === null && tally === null) throw unknownDevice(device);
      const { causes } = await causesOf(store, { device }, null, clock);
      return {
        device,
        ...(tally ?? NO_TALLY),
        known,
        series: deps.ledgers.seriesOf(device),
        causes,
      };
    },

    async series() {
      return deps.ledgers.seriesReport();
    },

    async fields() {
      return deps.ledgers.fieldsReport();
    },

    async forgetField(measurement, field) {
      if (!(await deps.ledgers.forgetField(measurement, field)))
        throw new GatewayError(
          'not-found',
          `no type is known of the field ${printable(field, 128)} in ${printable(measurement, 128)}`,
        );
    },

    async explain(request) {
      return deps.explain(request);
    },
  };
}

function busiest(devices: ReadonlyMap<string, Tally>): readonly DeviceAccount[] {
  return [...devices]
    .map(([device, tally]) => ({ device, ...tally }))
    .sort((a, b) => b.received - a.received)
    .slice(0, MAX_ROWS);
}

const NO_TALLY: Tally = Object.freeze({
  ...{ received: 0, stored: 0, duplicate: 0, rejected: 0, forwarded: 0, refused: 0 },
});

function unknownDevice(device: string): GatewayError {
  return new GatewayError('not-found', `no reading has come from a device ${printable(device, 128)}`);
}
