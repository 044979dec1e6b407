/** InfluxDB takes a field of the first name with 204 and loses it; the others are its own columns. Lower case. */
export const RESERVED_NAMES: ReadonlySet<string> = new Set([
  'time',
  '_time',
  '_field',
  '_measurement',
  '_value',
]);
