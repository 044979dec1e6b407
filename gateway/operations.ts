import { setImmediate as turn } from 'node:timers/promises';
import { GatewayError } from './errors.ts';
import type {
  DeviceAccount,
  ExplainRequest,
  Explanation,
  GatewayStatus,
  Health,
  Operations,
  RejectionSummary,
  TopicReport,
} from './operations-contract.ts';
import { printable, printableBytes } from './printable.ts';
import type { SinkHealth } from './sink-contract.ts';
import type { Rejection, Store, Tally } from './store-contract.ts';
import type { TopicsSeen } from './topics-seen.ts';

export interface OperationsDeps {
  readonly version: string;
  readonly pid: number;
  /** Null where a command opened the files because no gateway runs. */
  readonly running: {
    readonly startedMs: number;
    readonly sources: () => GatewayStatus['sources'];
    readonly sinkHealth: () => readonly SinkHealth[];
    readonly topics: TopicsSeen;
  } | null;
  readonly store: Store;
  /** Names of the sinks in today's configuration. */
  readonly configuredSinks: ReadonlySet<string>;
  readonly schemas: () => readonly string[];
  readonly schemaErrors: () => number;
  readonly nearest: (topic: string) => string | null;
  readonly explain: (request: ExplainRequest) => Explanation;
}

const MAX_ROWS = 1_000;
const TOPICS_A_TURN = 8;
const DEFAULT_REJECTED_ROWS = 100;
/** Of a payload in a list. */
const MAX_SAMPLE_BYTES = 256;
/** Of a violation's text or another that a sender chose. */
const MAX_TEXT = 1_024;

/** The operations over a store, whether a gateway runs on it or a command has opened it. */
export function createOperations(deps: OperationsDeps): Operations {
  const { store, running } = deps;

  async function health(): Promise<Health> {
    const { state, reason } = store.status();
    if (state !== 'open')
      return { status: 'unavailable', reasons: [`the store takes no readings: ${reason ?? state}`] };
    const reasons = (running?.sinkHealth() ?? [])
      .filter((sink) => sink.state === 'retrying' || sink.state === 'paused')
      .map((sink) => `sink ${sink.name} is ${sink.state}: ${sink.reason ?? 'no reason given'}`);
    const schemaErrors = deps.schemaErrors();
    if (schemaErrors > 0)
      reasons.push(
        `${schemaErrors} schema file(s) cannot be used; the last good version of each is in force`,
      );
    return { status: reasons.length === 0 ? 'ok' : 'degraded', reasons };
  }

  function ledgers(): ReturnType<Store['sinks']> {
    return store.sinks().map((ledger) => ({ ...ledger, configured: deps.configuredSinks.has(ledger.name) }));
  }

  return {
    health,

    async status() {
      return {
        version: deps.version,
        pid: deps.pid,
        running: running !== null,
        startedMs: running?.startedMs ?? 0,
        store: store.status(),
        sources: running?.sources() ?? [],
        schemas: deps.schemas(),
        schemaErrors: deps.schemaErrors(),
      };
    },

    async account() {
      const { total, sources, codes, rejectedEvicted, devices } = store.account();
      return {
        total,
        sources,
        codes,
        rejectedEvicted,
        deviceCount: devices.size,
        devices: busiest(devices),
        sinks: ledgers(),
      };
    },

    async deviceAccount(device) {
      const tally = store.account().devices.get(device);
      if (tally === undefined)
        throw new GatewayError('not-found', `no reading has come from a device ${printable(device, 128)}`);
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
      return ledgers().map((ledger) => {
        const live = health.get(ledger.name);
        return {
          ...ledger,
          state: live?.state ?? null,
          reason: live?.reason ?? null,
          lastWriteMs: live?.lastWriteMs ?? null,
        };
      });
    },

    async forgetSink(name) {
      if (deps.configuredSinks.has(name))
        throw new GatewayError(
          'sink-configured',
          `the sink ${printable(name, 128)} is in use; remove it from the configuration first`,
        );
      await store.forgetSink(name);
    },

    async rejected(filter) {
      const limit = Math.min(MAX_ROWS, filter.limit ?? DEFAULT_REJECTED_ROWS);
      return store.rejections({ ...filter, limit }).map(summaryOf);
    },

    async rejection(id) {
      const rejection = store.rejection(id);
      if (rejection === null)
        throw new GatewayError(
          'not-found',
          `no rejected reading has the id ${printable(id, 128)}; it may have grown too old`,
        );
      return {
        ...summaryOf(rejection),
        payloadBase64: rejection.payload.toString('base64'),
        payloadText: printableBytes(rejection.payload),
      };
    },

    async explain(request) {
      return deps.explain(request);
    },
  };
}

function busiest(devices: ReadonlyMap<string, Tally>): readonly DeviceAccount[] {
  return [...devices]
    .map(([device, tally]) => ({ device, ...tally }))
    .sort((a, b) => received(b) - received(a))
    .slice(0, MAX_ROWS);
}

function received({ stored, duplicate, rejected, forwarded, refused }: Tally): number {
  return stored + duplicate + rejected + forwarded + refused;
}

function summaryOf(rejection: Rejection): RejectionSummary {
  const { id, atMs, code, source, topic, client, device, schema, index, sink, violations, payload } =
    rejection;
  return {
    id,
    atMs,
    code,
    source,
    topic,
    client,
    device,
    schema,
    index,
    sink,
    violations: violations.map(({ pointer, message }) => ({
      pointer: pointer.slice(0, MAX_TEXT),
      message: message.slice(0, MAX_TEXT),
    })),
    payloadBytes: payload.length,
    payloadText: printableBytes(payload, MAX_SAMPLE_BYTES),
  };
}
