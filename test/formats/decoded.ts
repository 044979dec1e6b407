import { expect } from 'vitest';
import { canonicalSpec } from '../../gateway/canonical-spec.ts';
import { isGatewayError } from '../../gateway/errors.ts';
import { createFormats, formatProblem } from '../../gateway/formats/formats.ts';

const formats = createFormats();

/** The format of a spec as configuration has it. */
export function formatOf(spec: unknown) {
  const text = canonicalSpec(spec);
  const format = formats.get(text);
  if (format === null) throw new Error(formatProblem(text) ?? `no format ${text}`);
  return format;
}

/** What a payload, as text or bytes, comes to. */
export function decoded(spec: unknown, payload: string | Uint8Array): unknown {
  return formatOf(spec).decode(Buffer.from(payload));
}

/** Matches `undecodable` whose message says this. */
export function undecodable(message: RegExp): unknown {
  return expect.toSatisfy((error) => isGatewayError(error, 'undecodable') && message.test(error.message));
}
