/**
 * The canonical text of a format, as a schema's `telemetry.format` has it: a name, or for one with options the compact
 * JSON of `{"<name>": {options}}` with sorted keys at every depth. Empty options are none.
 */
export function formatSpec(format: string | Readonly<Record<string, unknown>>): string {
  if (typeof format === 'string') return format;
  const [entry, ...more] = Object.entries(format);
  if (entry !== undefined && more.length === 0) {
    const [name, options] = entry;
    if (typeof options === 'object' && options !== null && Object.keys(options).length === 0) return name;
  }
  return sortedJson(format);
}

/** Written member by member: an object would put keys that look like numbers first. */
function sortedJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sortedJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, inner]) => `${JSON.stringify(key)}:${sortedJson(inner)}`).join(',')}}`;
}
