/** A spec is not nested deeper than this; what is deeper is cut, and then is no format. */
const MAX_DEPTH = 8;
const NAME = /^[a-z0-9-]{1,40}$/;

/**
 * The canonical text of a format spec as configuration and schemas have it: a name (`"csv"`), or an object with the name
 * as its one key and the options under it. The same text for the same spec: keys sorted, no spaces, and without options
 * the name alone. Takes any value and never throws; whether it is a format, `formatProblem` says.
 */
export function canonicalSpec(value: unknown): string {
  if (typeof value !== 'string') return fromValue(value);
  if (!value.startsWith('{')) return value;
  try {
    return fromValue(JSON.parse(value));
  } catch {
    return value;
  }
}

function fromValue(value: unknown): string {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const [entry, ...others] = Object.entries(value);
    if (entry !== undefined && others.length === 0 && NAME.test(entry[0]) && isEmpty(entry[1]))
      return entry[0];
  }
  return sortedJson(value, 0);
}

function isEmpty(options: unknown): boolean {
  return (
    options === null ||
    options === undefined ||
    (typeof options === 'object' && !Array.isArray(options) && Object.keys(options).length === 0)
  );
}

function sortedJson(value: unknown, depth: number): string {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return JSON.stringify(value);
  if (typeof value !== 'object' || value === null) return 'null';
  if (depth === MAX_DEPTH) return 'null';
  if (Array.isArray(value)) return `[${value.map((item) => sortedJson(item, depth + 1)).join(',')}]`;
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => `${JSON.stringify(key)}:${sortedJson(member, depth + 1)}`);
  return `{${members.join(',')}}`;
}
