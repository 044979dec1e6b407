import type {
  ArrivalClock,
  Identity,
  Message,
  Reading,
  RejectionCode,
  Series,
  Violation,
} from '../contracts.ts';
import { messageOf } from '../errors.ts';
import type { DeviceClocks } from '../ledger-contract.ts';
import type { Columns } from './device-settings.ts';
import { emptyWritten, type Writer, type Written } from './field-writer.ts';
import { IdentityHash } from './identity-hash.ts';
import type { MappingDeps } from './mapping-deps.ts';
import { ownValue, valueAt } from './property-path.ts';
import { ReadingClock } from './reading-clock.ts';
import type { ReadingSchema } from './reading-schema.ts';
import type { TimeProblem } from './reading-time.ts';
import type { SeriesCache } from './series-cache.ts';
import { bindSeries } from './series-plan.ts';
import type { TickCounter } from './tick-counter.ts';
import { FIELD_CAPTURE } from './topic-pattern.ts';
import { TwoGenerations } from './two-generations.ts';
import { inWords } from './violation-words.ts';

/** A schema on one topic: what the topic tells is worked out. */
export interface BoundSchema {
  readonly schema: ReadingSchema;
  /** The blank text that is declared missing for the bare value of this topic; null where there is none. */
  readonly blank: string | null;
  deviceOf(message: Message): string | null;
  /** Never throws. With other `ticks` than its own it is a question, and counts nothing. */
  read(value: unknown, message: Message, arrival: ArrivalClock, nowMs: number, ticks: TickCounter): Reading;
}

/** What the topics of one schema share. Its parts are reused from reading to reading: those are mapped one after the other. */
export interface SchemaParts {
  readonly clock: ReadingClock;
  readonly identity: readonly ((reading: unknown) => unknown)[];
  readonly hash: IdentityHash;
  readonly out: Written;
}

export function schemaParts({ plan }: ReadingSchema, clocks: DeviceClocks): SchemaParts {
  return {
    clock: new ReadingClock(plan.time, clocks),
    identity: plan.identity.map(valueAt),
    hash: new IdentityHash(),
    out: emptyWritten(),
  };
}

export interface BindingContext extends Pick<MappingDeps, 'ticks' | 'book'> {
  readonly cache: SeriesCache;
  /** Of the measurement of this schema. */
  readonly columns: Columns;
}

type BadCode = Exclude<RejectionCode, 'sink-rejected'>;

/** Devices with a calibration on one topic whose writers are remembered. */
const REMEMBERED_WRITERS = 200;

export function bindSchema(
  schema: ReadingSchema,
  { clock, identity, hash, out }: SchemaParts,
  captures: ReadonlyMap<string, string>,
  context: BindingContext,
): BoundSchema {
  const { id, plan, stats, fields } = schema;
  const { book, columns, cache } = context;
  const series = bindSeries(plan.series, captures, { fields, book, columns, cache });
  const fieldName = captures.get(FIELD_CAPTURE) ?? null;
  const interpreter = (fieldName === null ? undefined : schema.bare.get(fieldName)) ?? schema.whole;
  const { payload } = interpreter;

  const bad = (
    reading: unknown,
    device: string | null,
    code: BadCode,
    violations: readonly Violation[],
  ): Reading => ({
    kind: 'bad',
    device,
    schema: id,
    code,
    violations,
    sentUs: clock.sentUsOf(reading),
    seq: seqOf(reading),
  });

  const writerFor = (device: string): Writer => {
    const calibration = book.of(device)?.calibration;
    return calibration === undefined || calibration.size === 0
      ? interpreter.write
      : interpreter.calibrated(calibration);
  };
  const writer = series.fixedDevice === null ? null : writerFor(series.fixedDevice);
  let calibrated: TwoGenerations<Writer> | null = null;
  const writerOf = (device: string): Writer => {
    if (writer !== null) return writer;
    if (book.of(device) === null) return interpreter.write;
    calibrated ??= new TwoGenerations(REMEMBERED_WRITERS);
    const known = calibrated.get(device) ?? writerFor(device);
    calibrated.set(device, known);
    return known;
  };

  const identityOf = ({ measurement, device }: Series, reading: unknown): Identity | null => {
    hash.start(measurement, device);
    for (const part of identity) if (!hash.add(part(reading))) return null;
    return hash.end();
  };

  const contentName = ({ measurement, device }: Series, reading: unknown): Identity => {
    hash.start(measurement, device).add(JSON.stringify(reading));
    return hash.end();
  };

  const read = (
    value: unknown,
    message: Message,
    arrival: ArrivalClock,
    nowMs: number,
    ticks: TickCounter,
  ): Reading => {
    const reading = fieldName === null ? value : { [fieldName]: value };
    const violations = payload.check(reading);
    if (violations.length > 0) return bad(reading, series.deviceOf(message), 'invalid', violations);
    const told = series.seriesOf(reading, message);
    if ('violations' in told) return bad(reading, told.device, 'invalid', told.violations);
    const { key, device } = told;

    const problem: TimeProblem | null = clock.look(reading, device, arrival, nowMs);
    if (problem !== null) {
      return bad(reading, device, problem.code, [{ pointer: clock.pointer, message: problem.message }]);
    }

    out.atMs = clock.atMs;
    out.text = '';
    out.missing = payload.cleared;
    out.ignored = -payload.cleared;
    if (out.violations.length > 0) out.violations = [];
    writerOf(device)(reading, out);
    if (out.violations.length > 0) return bad(reading, device, 'invalid', out.violations);
    if (out.text === '') return bad(reading, device, 'invalid', [nothingLeft(out, fieldName, value)]);

    const { relay } = message;
    const ns =
      relay?.isShared === true
        ? clock.nextNsByName(contentName(told, reading), key, arrival, ticks)
        : clock.nextNs(key, arrival, ticks);
    if (ns === null) return bad(reading, device, 'invalid', [standsStill(clock.pointer)]);
    if (ticks === context.ticks) {
      stats.ignored += out.ignored;
      stats.missing += out.missing;
    }
    const named = identity.length === 0 ? null : identityOf(told, reading);
    return {
      kind: 'point',
      device,
      schema: id,
      line: `${key} ${out.text}${clock.originalField} ${ns}\n`,
      recognisable: clock.isRecognisable || named !== null,
      isSameAnywhere: clock.hasOwnTime && named === null,
      series: told,
      identity: named,
      sentUs: clock.sentUs,
      seq: seqOf(reading),
      receipt: plan.receipt,
    };
  };

  return {
    schema,
    blank: fieldName === null ? null : blankMissing(schema, fieldName),
    deviceOf: series.deviceOf,
    read(value, message, arrival, nowMs, ticks) {
      try {
        return read(value, message, arrival, nowMs, ticks);
      } catch (error) {
        // Nothing a sender controls may throw out of here; a payload that manages to is the bad one.
        const violations = [{ pointer: '', message: `cannot be interpreted: ${messageOf(error)}` }];
        return {
          kind: 'bad',
          device: null,
          schema: id,
          code: 'invalid',
          violations,
          sentUs: null,
          seq: null,
        };
      }
    },
  };
}

function blankMissing({ plan }: ReadingSchema, field: string): string | null {
  const leaf = plan.fields.find(({ path, name }) => path.length === 1 && name === field);
  const texts = (leaf?.missing ?? []).filter((value) => typeof value === 'string');
  // The shortest is what is left when blanks around a value are no part of it.
  return texts.filter((text) => text.trim() === '').sort((a, b) => a.length - b.length)[0] ?? null;
}

/** The reading's own `seq`, by which firmware finds the reading a receipt is about. */
export function seqOf(reading: unknown): number | null {
  const seq = ownValue(reading, 'seq');
  return typeof seq === 'number' && Number.isSafeInteger(seq) ? seq : null;
}

/** @param field what the topic names, where `value` is a bare one */
function nothingLeft({ missing, ignored }: Written, field: string | null, value: unknown): Violation {
  return { pointer: '', message: `must have at least one field to store, ${whatIsThere()}` };

  function whatIsThere(): string {
    if (missing === 1 && ignored === 0) {
      if (field === null) return 'the only one is null or declared missing';
      return value === null
        ? 'the only one is null'
        : `the only one is declared missing: got ${inWords(value)}`;
    }
    const parts = [
      ...(missing > 0 ? [`${missing} null or declared missing`] : []),
      ...(ignored > 0 ? [`${ignored} that the schema does not store`] : []),
    ];
    return parts.length === 0 ? 'has no properties to store' : `has only properties ${parts.join(' and ')}`;
  }
}

function standsStill(pointer: string): Violation {
  return {
    pointer,
    message: 'is the same time as in too many readings before: the clock of this device stands still',
  };
}
