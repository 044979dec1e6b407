import { setImmediate as turn } from 'node:timers/promises';
import type { Clock, Relay } from '../contracts.ts';
import { GatewayError } from '../errors.ts';
import type { Operations, RejectionReport } from '../operations-contract.ts';
import { printable, printableBytes } from '../printable.ts';
import type {
  CausesPage,
  RejectedOperations,
  RejectionPageRequest,
  RejectionRecord,
  RejectionSummary,
} from '../rejected-contract.ts';
import type { Replay } from '../replay.ts';
import type { Rejection, RejectionFilter, RejectionPage, Store } from '../store-contract.ts';
import { filterOf, selectedBy } from './rejected-query.ts';
import { CauseCounter } from './rejection-causes.ts';

/** The texts of schemas: those in force, and those that were. */
export interface SchemaHistory {
  /** Null where it is no longer kept. */
  schemaText(version: string): string | null;
  /** Of the schema of this `$id` in force; null where there is none. */
  currentText(id: string): string | null;
  versionOf(id: string): string | null;
}

export interface RejectedOperationsDeps {
  readonly store: Store;
  readonly replay: Replay;
  readonly history: SchemaHistory;
  readonly clock: Clock;
}

const MAX_ROWS = 1_000;
const DEFAULT_ROWS = 100;
const PAGE_ROWS = 500;
/** One look at the causes ends after either: it goes on where it is asked to. */
const MAX_LOOKED = 50_000;
const MAX_LOOKING_MS = 1_000;
/** Of a payload in a list. */
const MAX_SAMPLE_BYTES = 256;
/** Of a payload as text beside its whole in base64; and so many of them: an answer has to fit through the socket. */
const MAX_RECORD_TEXT_BYTES = 4_096;
const MAX_RECORDS = 100;
/** Of a violation's text or another that a sender chose. */
const MAX_TEXT = 1_024;

/** What can be asked about rejected readings, and done with them. */
export function createRejectedOperations(
  deps: RejectedOperationsDeps,
): RejectedOperations & Pick<Operations, 'rejection'> {
  const { store, replay, clock } = deps;

  function pageOf({ selection, after, limit }: RejectionPageRequest): {
    readonly ids: readonly string[];
    readonly next: string | null;
  } {
    const selected = selectedBy(selection, clock.nowMs());
    if (selected.kind === 'ids') return { ids: selected.ids, next: null };
    const { rejections, next } = store.rejectionPage(selected.filter, after, rowsOf(limit));
    return { ids: rejections.map(({ id }) => id), next };
  }

  return {
    async rejected(query) {
      const limit = Math.min(MAX_ROWS, query.limit ?? DEFAULT_ROWS);
      return store.rejections({ ...filterOf(query, clock.nowMs()), limit }).map(summaryOf);
    },

    rejectedCauses: async (query, after) =>
      await causesOf(store, filterOf(query, clock.nowMs()), after, clock),

    async rejectedRecords(query, after, limit) {
      const rows = Math.min(MAX_RECORDS, rowsOf(limit));
      const page = store.rejectionPage(filterOf(query, clock.nowMs()), after, rows);
      return {
        rejections: page.rejections.map((each) => recordOf(each, MAX_RECORD_TEXT_BYTES)),
        next: page.next,
      };
    },

    async rejection(id) {
      const rejection = store.rejection(id);
      if (rejection === null)
        throw new GatewayError(
          'not-found',
          `no rejected reading has the id ${printable(id, 128)}; it may have grown too old`,
        );
      return {
        ...recordOf(rejection, Number.POSITIVE_INFINITY),
        ...schemasOf(rejection, deps.history),
        today: rejection.resolved === null ? replay.today(rejection) : [],
      };
    },

    async replay({ selection, ...request }) {
      const selected = selectedBy(selection, clock.nowMs());
      return await replay.page(selected, { ...request, limit: rowsOf(request.limit) });
    },

    async discardRejected(request) {
      const { ids, next } = pageOf(request);
      return { discarded: ids.length === 0 ? 0 : await store.discardRejections(ids), next };
    },
  };
}

/** Groups what fits, from `after` on, for a second at most; others get their turn in between. */
export async function causesOf(
  store: Pick<Store, 'rejectionPage'>,
  filter: RejectionFilter,
  after: string | null,
  clock: Clock,
): Promise<CausesPage> {
  const counter = new CauseCounter();
  const untilMs = clock.monotonicMs() + MAX_LOOKING_MS;
  let looked = 0;
  let next = after;
  do {
    const page: RejectionPage = store.rejectionPage(filter, next, PAGE_ROWS);
    for (const rejection of page.rejections) counter.add(rejection);
    looked += page.rejections.length;
    next = page.next;
    await turn();
  } while (next !== null && looked < MAX_LOOKED && clock.monotonicMs() < untilMs);
  return { causes: counter.list(), looked, others: counter.others, next };
}

function rowsOf(limit: number): number {
  return Math.max(1, Math.min(MAX_ROWS, Math.trunc(limit)));
}

function schemasOf(
  { schema, schemaVersion }: Rejection,
  history: SchemaHistory,
): Pick<RejectionReport, 'schemaThen' | 'schemaNow'> {
  const versionNow = schema === null ? null : history.versionOf(schema);
  const isSame = schemaVersion === versionNow;
  return {
    schemaThen:
      schemaVersion === null
        ? null
        : { version: schemaVersion, text: isSame ? null : history.schemaText(schemaVersion) },
    schemaNow:
      schema === null || versionNow === null
        ? null
        : { version: versionNow, text: history.currentText(schema) },
  };
}

function recordOf(rejection: Rejection, maxTextBytes: number): RejectionRecord {
  const { username, format, relay, payload } = rejection;
  return {
    ...summaryOf(rejection),
    username,
    format,
    ...(relay === null ? {} : { relay: relayRecordOf(relay) }),
    payloadBase64: payload.toString('base64'),
    payloadText: printableBytes(payload, maxTextBytes),
  };
}

function relayRecordOf({ userProperties, unread, ...relay }: Relay): NonNullable<RejectionRecord['relay']> {
  return {
    ...relay,
    userProperties: [...userProperties],
    ...(unread === undefined ? {} : { unread: [...unread.names.keys()] }),
  };
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
    resolved: rejection.resolved,
    payloadBytes: payload.length,
    payloadText: printableBytes(payload, MAX_SAMPLE_BYTES),
  };
}
