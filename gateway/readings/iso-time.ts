/** Times as text: the profile of ISO 8601 that RFC 3339 describes, and the same without an offset where a zone is given. */

export interface IsoTime {
  /** µs since 1970-01-01 UTC. */
  readonly us: number;
  /** What is left below the µs, ns. */
  readonly subNs: number;
  /** Digits given after the second. */
  readonly digits: number;
}

/** The offset from UTC in ms at a local time that is given as if it were UTC. */
export type Zone = (localMs: number) => number;

const ISO =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?:([Zz])|([+-])(\d\d):?(\d\d))?$/;
const OFFSET = /^([+-])(\d\d):?(\d\d)$/;
const MS_PER_MINUTE = 60_000;
const DAY_MS = 86_400_000;

/** The time, or in words why it is none. */
export function parseIsoTime(text: string, zone: Zone | null): IsoTime | string {
  const match = text.length > 40 ? null : ISO.exec(text);
  if (match === null) return 'must be a time like 2026-03-01T12:00:00Z';
  const [, year, month, day, hour, minute, second = '0', fraction = '', utc, sign, offsetHour, offsetMinute] =
    match;
  const localMs = Date.UTC(
    Number(year),
    Number(month) - 1,
    Number(day),
    Number(hour),
    Number(minute),
    // A leap second is the first of the next minute: no clock here knows it.
    Number(second),
  );
  const back = new Date(localMs);
  if (back.getUTCDate() !== Number(day) || Number(month) > 12 || Number(hour) > 23 || Number(minute) > 59) {
    if (Number(second) !== 60) return 'is no date of the calendar';
  }
  if (Number(second) > 60) return 'is no time of the day';
  let offsetMs = 0;
  if (sign !== undefined) offsetMs = offsetOf(sign, offsetHour, offsetMinute);
  else if (utc === undefined) {
    if (zone === null) return 'must end in Z or an offset (or the schema must say telemetry.time.zone)';
    offsetMs = zone(localMs);
  }
  const nanos = Number(fraction.padEnd(9, '0'));
  return {
    us: (localMs - offsetMs) * 1000 + Math.floor(nanos / 1000),
    subNs: nanos % 1000,
    digits: fraction.length,
  };
}

function offsetOf(sign: string | undefined, hours: string | undefined, minutes: string | undefined): number {
  const size = (Number(hours) * 60 + Number(minutes)) * MS_PER_MINUTE;
  return sign === '-' ? -size : size;
}

/**
 * A zone by offset (`+02:00`, `Z`) or by its IANA name (`Europe/Berlin`). A local time that comes twice (clocks set
 * back) is the first of the two; one that never comes is moved on by the gap.
 * @returns null where there is no such zone
 */
export function zoneOf(name: string): Zone | null {
  if (/^(?:z|utc)$/i.test(name)) return () => 0;
  const match = OFFSET.exec(name);
  if (match !== null) {
    const fixed = offsetOf(match[1], match[2], match[3]);
    return () => fixed;
  }
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  } catch {
    return null;
  }
  return rememberingLast(format);
}

/** Offsets change at whole quarters of an hour; asking the calendar each time would cost more than all the rest. */
const QUARTER_MS = 15 * MS_PER_MINUTE;

function rememberingLast(format: Intl.DateTimeFormat): Zone {
  let quarter = Number.NaN;
  let offsetMs = 0;
  return (localMs) => {
    const asked = Math.floor(localMs / QUARTER_MS);
    if (asked !== quarter) {
      offsetMs = offsetOfLocal(format, localMs);
      quarter = asked;
    }
    return offsetMs;
  };
}

function offsetOfLocal(format: Intl.DateTimeFormat, localMs: number): number {
  const before = offsetAt(format, localMs - DAY_MS);
  const after = offsetAt(format, localMs + DAY_MS);
  if (before === after || offsetAt(format, localMs - before) === before) return before;
  return offsetAt(format, localMs - after) === after ? after : before;
}

function offsetAt(format: Intl.DateTimeFormat, utcMs: number): number {
  const parts = new Map(format.formatToParts(utcMs).map(({ type, value }) => [type, Number(value)]));
  const get = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0;
  const localMs = Date.UTC(
    get('year'),
    get('month') - 1,
    get('day'),
    get('hour'),
    get('minute'),
    get('second'),
  );
  return localMs - Math.floor(utcMs / 1000) * 1000;
}
