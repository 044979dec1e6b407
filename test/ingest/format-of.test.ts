import { describe, expect, it } from 'vitest';
import { formatOf } from '../../gateway/ingest/format-of.ts';
import { MESSAGE } from '../ledgers/fake-store.ts';

const USUAL = { format: 'json', namesFormat: false };

function relayed(contentType: string | null) {
  return { ...MESSAGE, relay: { contentType, userProperties: new Map<string, string>() } };
}

describe('the format of a message', () => {
  it.each([
    ['application/json', 'json'],
    ['application/cbor', 'cbor'],
    ['Application/CBOR; version=1', 'cbor'],
    ['application/senml+cbor', 'cbor'],
    ['text/csv; header=present', 'csv'],
    ['text/plain', 'json'],
    ['application/x-something', 'json'],
    ['__proto__', 'json'],
    ['', 'json'],
    [null, 'json'],
    [`${'x'.repeat(200)}+cbor`, 'json'],
  ])('follows the content type %s where nothing else names it', (contentType, format) => {
    expect(formatOf(relayed(contentType), USUAL)).toBe(format);
  });

  it('is what the schema names, whatever the content type says', () => {
    const named = { format: '{"csv":{"columns":["a"]}}', namesFormat: true };
    for (const type of ['text/csv', 'application/cbor']) {
      expect(formatOf(relayed(type), named)).toBe(named.format);
    }
  });

  it('is what its source says before all others', () => {
    expect(formatOf({ ...relayed('application/cbor'), format: 'nmea' }, USUAL)).toBe('nmea');
  });

  it('stays the wide one for bare values, but for CBOR', () => {
    const bare = { format: 'scalar', namesFormat: false };
    expect(formatOf({ ...MESSAGE, format: 'json' }, bare), 'as a serial port says').toBe('scalar');
    expect(formatOf({ ...MESSAGE, format: 'json' }, USUAL)).toBe('json');
    expect(formatOf(relayed('application/json'), bare)).toBe('scalar');
    expect(formatOf(relayed('text/csv'), bare)).toBe('scalar');
    expect(formatOf(relayed('application/cbor'), bare)).toBe('cbor');
  });
});
