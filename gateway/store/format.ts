import { GatewayError } from '../errors.ts';
import { damaged } from './bytes.ts';
import type { Reading, Writes } from './storage.ts';

/**
 * Version of everything that is in the tables; state key `format`, as JSON `{"version": 2, "id": "…"}`. Raised when an
 * older program could no longer read or must no longer write the store. Every earlier one is read, and raised with the
 * first transaction: 2 brought `received`, identities, resolved rejections and provisional times.
 */
export const FORMAT_VERSION = 2;

/** Null when the store is new. @throws GatewayError `store-version`, `store-damaged`. */
export function readFormat(reading: Reading): { readonly id: string; readonly version: number } | null {
  const value = reading.get('state', 'format');
  if (value === null) {
    for (const _ of reading.entries('log', { limit: 1 })) throw damaged('the state', 'it has no format');
    return null;
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(value.toString());
  } catch (error) {
    throw damaged('the format', String(error));
  }
  const field = (name: string): unknown =>
    typeof parsed === 'object' && parsed !== null ? Reflect.get(parsed, name) : undefined;
  const version = field('version');
  const id = field('id');
  if (typeof version !== 'number' || typeof id !== 'string') throw damaged('the format', 'it makes no sense');
  if (version > FORMAT_VERSION) {
    throw new GatewayError(
      'store-version',
      `the store has format ${version}, written by a newer version; this one knows ${FORMAT_VERSION}. ` +
        'Start the newer version, or use another data folder.',
    );
  }
  return { id, version };
}

export function writeFormat(writes: Writes, id: string): void {
  writes.put('state', 'format', Buffer.from(JSON.stringify({ version: FORMAT_VERSION, id })));
}
