import { setImmediate as turn } from 'node:timers/promises';
import type { BadReading, Clock, Formats, Message, Outcome, Reading, Readings, Route } from './contracts.ts';
import { GatewayError } from './errors.ts';
import type { Forwards } from './ingest/forwards.ts';
import type { Interpret } from './ingest/interpret.ts';
import { createKeep } from './ingest/keep.ts';
import type { Ledgers } from './ledger-contract.ts';
import type { Selected } from './operations/rejected-query.ts';
import type { Why } from './operations/rejection-causes.ts';
import type { ExplainedReading } from './operations-contract.ts';
import type { RejectionPageRequest, ReplayReport, ReplayRequest } from './rejected-contract.ts';
import { createPinnedArrival } from './replay/pinned-arrival.ts';
import { type Rehearsal, Rehearsals } from './replay/rehearsals.ts';
import { newTally, type ReplayTally } from './replay/replay-tally.ts';
import { replayToSinks, type SinkReplays } from './replay/replay-to-sinks.ts';
import type { Group, Rejection, Resolution, Store } from './store-contract.ts';

export interface ReplayDeps {
  readonly store: Store;
  readonly readings: Readings;
  readonly interpret: Interpret;
  readonly formats: Formats;
  readonly ledgers: Pick<Ledgers, 'judge' | 'keep'>;
  readonly versionOf: (schema: string) => string | null;
  /** Null where nothing is forwarded to other brokers. */
  readonly forwards: Forwards | null;
  readonly clock: Clock;
  readonly sinks: SinkReplays;
  /** See `WallClock.trueMs`: for what came before the gateway's clock was set. */
  readonly trueMs: (atMs: number) => number | null;
}

export interface Replay {
  /**
   * Replays a page of open rejections under today's schemas. Each is settled in the group that stores its reading, so a
   * crash at any moment, and a replay of the same ones again, store nothing twice.
   * @throws GatewayError `replay-busy`; and `store-full`, `store-unavailable`, `stopping`: what was not stored by then is
   * as it was.
   */
  page(selected: Selected, request: Omit<ReplayRequest, 'selection'>): Promise<ReplayReport>;
  /** What would become of its readings. Empty for a point that a sink refused: that is for the sink to say. */
  today(rejection: Rejection): readonly ExplainedReading[];
}

/** How long one replay keeps others out after its last page was asked for. */
const HELD_MS = 30_000;
/** Rejections between two turns of the event loop: live readings come first. */
const AT_ONCE = 64;
/** The gateway's own clock was not set before this: what it said then is no measure for a device's time. */
const CLOCK_UNSET_BEFORE_MS = Date.UTC(2020, 0, 1);

/** Whose replay it is. */
interface Hold {
  readonly run: string | null;
  untilMs: number;
  isWorking: boolean;
}

/** One reading as it would go today. */
type Look =
  | { readonly kind: 'stored'; readonly reading: Extract<Reading, { kind: 'point' }> }
  | {
      readonly kind: 'duplicate';
      readonly reading: Extract<Reading, { kind: 'point' }>;
      readonly original: Promise<void> | null;
    }
  | { readonly kind: 'bad'; readonly reading: Reading; readonly why: Why };

const NO_TIME_YET: BadReading = {
  kind: 'bad',
  device: null,
  schema: null,
  code: 'time-out-of-range',
  violations: [
    {
      pointer: '',
      message: 'came before the clock of this gateway was set, and it is not set yet: replay it when it is',
    },
  ],
  sentUs: null,
  seq: null,
};
const UNDATED: readonly Look[] = [{ kind: 'bad', reading: NO_TIME_YET, why: NO_TIME_YET }];

export function createReplay(deps: ReplayDeps): Replay {
  const { store, readings, interpret, formats, ledgers, versionOf, clock, trueMs } = deps;
  const keep = createKeep({
    formats,
    versionOf,
    ledgers: {
      judge: (point) => ledgers.judge(point),
      keep: (point, group) => ledgers.keep(point, group),
      // Nobody has heard of the device now: neither its registration nor its clock learns from a replay.
      saw: () => undefined,
    },
  });
  let holder: Hold | null = null;
  const rehearsals = new Rehearsals(clock, HELD_MS);

  function look(
    rejection: Rejection,
    isQuestion: boolean,
  ): {
    readonly message: Message;
    readonly route: Route | null;
    readonly looks: readonly Look[];
  } {
    const message = messageFrom(rejection, isQuestion);
    const route = readings.route(message.topic);
    const { id, atMs } = rejection;
    const arrivedMs = atMs < CLOCK_UNSET_BEFORE_MS ? trueMs(atMs) : atMs;
    if (arrivedMs === null) return { message, route, looks: UNDATED };
    const arrival = createPinnedArrival(id, arrivedMs);
    const looks = interpret(message, route, arrival, arrivedMs).map((reading): Look => {
      if (reading.kind === 'bad') return { kind: 'bad', reading, why: reading };
      const judgement = ledgers.judge(reading);
      if (judgement === null) return { kind: 'stored', reading };
      if (judgement.kind === 'duplicate') return { kind: 'duplicate', reading, original: judgement.original };
      const { code, violations } = judgement;
      return { kind: 'bad', reading, why: { code, schema: reading.schema, violations } };
    });
    return { message, route, looks };
  }

  /** Everything about one rejection happens without awaiting, so it is in one group; null: it is done. */
  function replayOne(
    rejection: Rejection,
    rehearsal: Rehearsal | null,
    tally: ReplayTally,
    groups: Set<Promise<void>>,
  ): Promise<unknown> | null {
    const { message, route, looks } = look(rejection, rehearsal !== null);
    const firstBad = looks.find((each) => each.kind === 'bad');
    if (firstBad !== undefined && looks.every(({ kind }) => kind === 'bad')) {
      tally.still += 1;
      tally.causes.add(rejection, firstBad.why);
      return null;
    }
    if (rehearsal !== null) {
      for (const each of looks) countInto(tally, rehearsed(each, rehearsal));
      return null;
    }
    const group = store.group();
    groups.add(group.committed);
    const elsewhere = originalsOutside(looks, group);
    // A repeat is one only if its original is stored: that group may still fail.
    if (elsewhere.length > 0) return Promise.allSettled(elsewhere);
    const found = looks.map(({ reading }) => reading);
    const { outcomes } = keep(message, route, found, group, rejection.atMs);
    deps.forwards?.replayed(message, found, outcomes, group);
    for (const { kind } of outcomes) countInto(tally, kind);
    group.resolve(rejection.id, resolutionOf(outcomes));
    return null;
  }

  async function replayAll(
    rejections: readonly Rejection[],
    rehearsal: Rehearsal | null,
    tally: ReplayTally,
  ): Promise<void> {
    const groups = new Set<Promise<void>>();
    try {
      for (const [i, rejection] of rejections.entries()) {
        if (i % AT_ONCE === AT_ONCE - 1) await turn();
        for (;;) {
          const wait = replayOne(rejection, rehearsal, tally, groups);
          if (wait === null) break;
          await wait;
        }
      }
      await Promise.all(groups);
    } finally {
      await Promise.allSettled(groups);
    }
  }

  function rejectionsOf(
    selected: Selected,
    { after, limit }: Pick<RejectionPageRequest, 'after' | 'limit'>,
  ): { readonly rejections: readonly Rejection[]; readonly next: string | null; readonly gone: number } {
    if (selected.kind === 'filter') {
      const page = store.rejectionPage({ ...selected.filter, state: 'open' }, after, limit);
      return { ...page, gone: 0 };
    }
    const from = placeOf(after);
    const ids = selected.ids.slice(from, from + limit);
    const rejections = ids
      .flatMap((id) => store.rejection(id) ?? [])
      .filter(({ resolved }) => resolved === null);
    const next = from + limit < selected.ids.length ? String(from + limit) : null;
    return { rejections, next, gone: ids.length - rejections.length };
  }

  /** Until its last page, or until it has not been heard of for a while. */
  function hold(run: string | null): Hold {
    const nowMs = clock.monotonicMs();
    const isOthers = holder !== null && (holder.isWorking || (holder.run !== run && nowMs < holder.untilMs));
    if (isOthers) throw new GatewayError('replay-busy', 'another replay is under way; wait until it is done');
    holder = { run, untilMs: nowMs + HELD_MS, isWorking: true };
    return holder;
  }

  async function page(
    selected: Selected,
    request: Omit<ReplayRequest, 'selection'>,
    rehearsal: Rehearsal | null,
    tally: ReplayTally,
  ): Promise<ReplayReport> {
    const { rejections, next, gone } = rejectionsOf(selected, request);
    tally.gone += gone;
    const forSinks = rejections.filter(({ code }) => code === 'sink-rejected');
    const others = rejections.filter(({ code }) => code !== 'sink-rejected');
    await replayAll(others, rehearsal, tally);
    await replayToSinks(forSinks, request.dryRun, tally, store, deps.sinks);
    const { causes, ...counts } = tally;
    const atMost = rehearsal?.isPartial === true && tally.stored > 0;
    return { looked: rejections.length + gone, ...counts, atMost, causes: causes.list(), next };
  }

  return {
    async page(selected, request) {
      const tally = newTally();
      if (request.dryRun) {
        const { run, after } = request;
        const report = await page(selected, request, rehearsals.take(run, after), tally);
        if (report.next === null) rehearsals.end(run);
        return report;
      }
      const held = hold(request.run);
      let isLast = true;
      try {
        const report = await page(selected, request, null, tally);
        isLast = report.next === null || request.run === null;
        return report;
      } finally {
        held.isWorking = false;
        held.untilMs = isLast ? 0 : clock.monotonicMs() + HELD_MS;
      }
    },

    today(rejection) {
      if (rejection.code === 'sink-rejected') return [];
      return look(rejection, true).looks.map(explained);
    },
  };
}

/**
 * As it came, but that nobody waits for an answer. What could not be laid to a device was laid to its client. A question
 * is asked as `explain` does, so that it moves no counter.
 */
function messageFrom(rejection: Rejection, isQuestion: boolean): Message {
  const { topic, payload, client, username, device, format, relay } = rejection;
  return {
    source: isQuestion ? 'explain' : 'replay',
    topic,
    payload,
    client,
    username,
    device: device?.startsWith('client:') === true ? null : device,
    transfer: null,
    retain: false,
    address: null,
    format,
    receipts: false,
    relay,
  };
}

function originalsOutside(looks: readonly Look[], group: Group): readonly Promise<void>[] {
  return looks.flatMap((each) =>
    each.kind === 'duplicate' && each.original !== null && each.original !== group.committed
      ? [each.original]
      : [],
  );
}

function countInto(tally: ReplayTally, kind: Outcome['kind']): void {
  if (kind === 'stored') tally.stored += 1;
  else if (kind === 'duplicate') tally.duplicate += 1;
  else tally.anew += 1;
}

/** As it would count by its turn. */
function rehearsed(each: Look, rehearsal: Rehearsal): Outcome['kind'] {
  if (each.kind === 'bad') return 'rejected';
  return each.kind === 'stored' && rehearsal.isRepeat(each.reading) ? 'duplicate' : each.kind;
}

function resolutionOf(outcomes: readonly Outcome[]): Resolution['kind'] {
  if (outcomes.length > 1) return 'split';
  return outcomes[0]?.kind === 'duplicate' ? 'duplicate' : 'stored';
}

function placeOf(after: string | null): number {
  if (after === null) return 0;
  const place = Number(after);
  if (!Number.isSafeInteger(place) || place < 0)
    throw new GatewayError('usage', 'after is no place in a list of ids');
  return place;
}

function explained(each: Look): ExplainedReading {
  if (each.kind === 'bad') {
    const { device, schema } = each.reading;
    return { kind: 'bad', device, schema, code: each.why.code, violations: each.why.violations, clock: null };
  }
  const { device, schema, line } = each.reading;
  return {
    kind: 'point',
    device,
    schema,
    line: line.trimEnd(),
    duplicate: each.kind === 'duplicate',
    clock: null,
  };
}
