import type { ArrivalClock, Message, Reading, RejectionCode, Violation } from '../contracts.ts';
import { messageOf } from '../errors.ts';
import { emptyWritten, type Written } from './field-writer.ts';
import { escapePointer } from './json-document.ts';
import { ownValue, valueAt } from './property-path.ts';
import type { ReadingSchema } from './reading-schema.ts';
import type { OwnTime, TimeProblem } from './reading-time.ts';
import { bindSeries } from './series-plan.ts';
import type { TickCounter } from './tick-counter.ts';
import { FIELD_CAPTURE } from './topic-pattern.ts';

/** A schema on one topic: what the topic tells is worked out. */
export interface BoundSchema {
  readonly schema: ReadingSchema;
  deviceOf(message: Message): string | null;
  /** Never throws. */
  read(value: unknown, message: Message, arrival: ArrivalClock, nowMs: number): Reading;
}

type BadCode = Exclude<RejectionCode, 'sink-rejected'>;

export function bindSchema(
  schema: ReadingSchema,
  captures: ReadonlyMap<string, string>,
  ticks: TickCounter,
): BoundSchema {
  const { id, plan, stats } = schema;
  const series = bindSeries(plan.series, captures);
  const fieldName = captures.get(FIELD_CAPTURE) ?? null;
  const interpreter = (fieldName === null ? undefined : schema.bare.get(fieldName)) ?? schema.whole;
  const { payload, write } = interpreter;
  const readTime = plan.time === null ? null : valueAt(plan.time.path);
  const timePointer =
    plan.time === null ? '' : plan.time.path.map((name) => `/${escapePointer(name)}`).join('');
  const identity = plan.identity.map(valueAt);
  // Reused from reading to reading: they are mapped one after the other.
  const out: Written = emptyWritten();
  const own: OwnTime = { us: 0, span: 1_000_000, subNs: 0 };

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
    seq: seqOf(reading),
  });

  const read = (value: unknown, message: Message, arrival: ArrivalClock, nowMs: number): Reading => {
    const reading = fieldName === null ? value : { [fieldName]: value };
    const violations = payload.check(reading);
    if (violations.length > 0) return bad(reading, series.deviceOf(message), 'invalid', violations);
    const told = series.seriesOf(reading, message);
    if ('violations' in told) return bad(reading, told.device, 'invalid', told.violations);
    const { prefix, device } = told;

    const sent = readTime?.(reading);
    let problem: TimeProblem | null = null;
    const hasTime = plan.time !== null && sent !== undefined && sent !== null;
    if (hasTime) problem = plan.time.reader.read(sent, nowMs, own);
    if (problem !== null) {
      return bad(reading, device, problem.code, [{ pointer: timePointer, message: problem.message }]);
    }

    out.text = '';
    out.missing = payload.cleared;
    out.ignored = -payload.cleared;
    if (out.violations.length > 0) out.violations = [];
    write(reading, out);
    if (out.violations.length > 0) return bad(reading, device, 'invalid', out.violations);
    if (out.text === '') return bad(reading, device, 'invalid', [nothingLeft(out)]);

    const ns = hasTime ? nsOf(prefix) : arrival.nextNs();
    if (ns === null) return bad(reading, device, 'invalid', [standsStill(timePointer)]);
    stats.ignored += out.ignored;
    stats.missing += out.missing;
    return {
      kind: 'point',
      device,
      schema: id,
      line: `${prefix} ${out.text} ${ns}\n`,
      recognisable:
        (hasTime && schema.telemetry.time?.kind !== 'age') ||
        (identity.length > 0 && identity.every((part) => isPresent(part(reading)))),
    };
  };

  const nsOf = (prefix: string): string | null =>
    own.span === 1
      ? `${own.us}${String(own.subNs).padStart(3, '0')}`
      : ticks.nextNs(prefix, own.us, own.span);

  return {
    schema,
    deviceOf: series.deviceOf,
    read(value, message, arrival, nowMs) {
      try {
        return read(value, message, arrival, nowMs);
      } catch (error) {
        // Nothing a sender controls may throw out of here; a payload that manages to is the bad one.
        return bad(value, null, 'invalid', [
          { pointer: '', message: `cannot be interpreted: ${messageOf(error)}` },
        ]);
      }
    },
  };
}

/** The reading's own `seq`, by which firmware finds the reading a receipt is about. */
export function seqOf(reading: unknown): number | null {
  const seq = ownValue(reading, 'seq');
  return typeof seq === 'number' && Number.isSafeInteger(seq) ? seq : null;
}

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function nothingLeft({ missing, ignored }: Written): Violation {
  const parts = [
    ...(missing > 0 ? [`${missing} without a value`] : []),
    ...(ignored > 0 ? [`${ignored} that the schema does not store`] : []),
  ];
  const has = parts.length === 0 ? 'no properties to store' : `only properties ${parts.join(' and ')}`;
  return { pointer: '', message: `must have at least one field to store, has ${has}` };
}

function standsStill(pointer: string): Violation {
  return {
    pointer,
    message: 'is the same time as in too many readings before: the clock of this device stands still',
  };
}
