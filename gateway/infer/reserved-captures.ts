/** Names that a tag cannot have, or that would say something else. Lower case. */
export const RESERVED_CAPTURES: ReadonlySet<string> = new Set([
  ...['time', '_time', '_field', '_measurement', '_value', 'field', 'device'],
  ...['constructor', 'prototype', '__proto__', 'tostring', 'valueof', 'hasownproperty'],
]);
