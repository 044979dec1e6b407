import { isPlainObject } from './plain-object.ts';

/** RFC 8428, section 12.2. */
const SENML_LABELS = new Set([
  'bn',
  'bt',
  'bu',
  'bv',
  'bs',
  'bver',
  'n',
  'u',
  'v',
  'vs',
  'vb',
  'vd',
  's',
  't',
  'ut',
]);
/** A measurement, tags, and the beginning of a field. */
const LINE_PROTOCOL = /^[^\s,={}[\]"]+((?:,[^\s,=]+=[^\s,=]+)*) [^\s=]+=\S/;
const LINE_TIME = / -?\d{10,19}$/;
const MAX_LINE = 4096;
const MAX_NUMBER = 64;
const THOUSANDS = /^\s*[-+]?\d{1,3}(?:\.\d{3})+,\d+\s*$/;

/**
 * In words, what a payload is that no format of this gateway reads as what it says; null for everything else. `values`:
 * the objects that it holds as JSON, or null.
 */
export function whyForeign(text: string, values: readonly unknown[] | null): string | null {
  if (values !== null)
    return text.trimStart().startsWith('[') && values.every(isSenml)
      ? 'SenML: each record names its own value, and a schema declares names. Have it sent as one object with a property for each value'
      : null;
  // Only the first line is looked at.
  const line = text.slice(0, MAX_LINE).split('\n', 1)[0]?.trimEnd() ?? '';
  const start = LINE_PROTOCOL.exec(line);
  if (start !== null && (start[1] !== '' || LINE_TIME.test(line)))
    return 'line protocol of InfluxDB: it is no format here. Have the values sent as JSON, or sent to the database as they are';
  return text.length < MAX_NUMBER && THOUSANDS.test(text)
    ? 'numbers with points between thousands and a decimal comma ("1.013,25"), which no format reads. Have them sent without the points'
    : null;
}

function isSenml(value: unknown): boolean {
  if (!isPlainObject(value)) return false;
  const names = Object.keys(value);
  const hasName = typeof value.n === 'string' || typeof value.bn === 'string';
  const hasValue = ['v', 'vs', 'vb', 'vd', 's', 'bv'].some((name) => names.includes(name));
  return hasName && hasValue && names.every((name) => SENML_LABELS.has(name));
}
