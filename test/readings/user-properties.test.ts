import { describe, expect, it } from 'vitest';
import type { Relay } from '../../gateway/contracts.ts';
import { compileSchemas } from '../../gateway/readings/load-schemas.ts';
import { senderProblems } from '../../gateway/readings/sender-unknown.ts';
import { ARRIVAL_NS, lineOf, pointOf, problemsOf, readingsOf, schema } from './under-test.ts';

function relay(userProperties: Record<string, string>): { readonly relay: Relay } {
  return { relay: { contentType: null, userProperties: new Map(Object.entries(userProperties)) } };
}

const SITES = schema({ telemetry: { tags: [{ userProperty: 'site' }, { userProperty: 'p', as: 'plant' }] } });
const READING = { temperature: 1 };

describe('a tag from a user property', () => {
  it('is stored under its own name, or the one that the schema gives it', () => {
    const line = lineOf(readingsOf(SITES), 't/a', READING, relay({ site: 'north', p: 'a b', other: 'x' }));
    expect(line).toBe(`m,device=a,plant=a\\ b,site=north temperature=1 ${ARRIVAL_NS}`);
  });

  it('is left out where the message has none, or an empty one, or came from no other broker', () => {
    const readings = readingsOf(SITES);
    const without = `m,device=a temperature=1 ${ARRIVAL_NS}`;
    expect(lineOf(readings, 't/a', READING, relay({ site: '' }))).toBe(without);
    expect(lineOf(readings, 't/a', READING)).toBe(without);
    expect(lineOf(readings, 't/a', READING, relay({ site: 'north' }))).toContain(',site=north ');
    expect(lineOf(readings, 't/a', READING), 'nothing stays of the message before').toBe(without);
  });

  it('makes one series of the same text, and another of another', () => {
    const readings = readingsOf(SITES);
    const seriesAt = (site: string) => pointOf(readings, 't/a', READING, relay({ site })).series;
    expect(seriesAt('north')).toBe(seriesAt('north'));
    expect(seriesAt('south')).not.toBe(seriesAt('north'));
  });

  it.each([
    ['too long', 'x'.repeat(257)],
    ['a line break', 'a\nb'],
  ])('that cannot be stored (%s) makes the reading invalid, in words', (_, site) => {
    expect(lineOf(readingsOf(SITES), 't/a', READING, relay({ site }))).toMatch(
      /^invalid: the user property "site" is stored as a tag: must /,
    );
  });

  it.each([
    ['too-long', 'must have at most 256 bytes'],
    ['too-many', 'must be among the first 32 user properties of the message'],
    ['not-kept', 'was not kept with the rejected reading, which keeps 1 KiB of user properties'],
  ] as const)('that the message had, and that is %s, makes the reading invalid', (why, words) => {
    const unread = { names: new Map([['site', why]]), others: null };
    const said = lineOf(readingsOf(SITES), 't/a', READING, {
      relay: { contentType: null, userProperties: new Map([['p', 'x']]), unread },
    });
    expect(said).toBe(`invalid: the user property "site" is stored as a tag: ${words}`);
  });

  it('does no harm where no schema asks for what was not read', () => {
    const unread = { names: new Map([['other', 'too-long' as const]]), others: null };
    const relayed = { relay: { contentType: null, userProperties: new Map([['site', 'x']]), unread } };
    expect(lineOf(readingsOf(SITES), 't/a', READING, relayed)).toContain('m,device=a,site=x ');
    const many = { relay: { ...relayed.relay, unread: { ...unread, others: 'too-many' as const } } };
    const plain = readingsOf(schema({ telemetry: {} }));
    expect(lineOf(plain, 't/a', READING, many)).toContain('m,device=a ');
  });

  it('that may be among those not even known by name makes the reading invalid; one that was read does not', () => {
    const unread = { names: new Map(), others: 'too-many' as const };
    const relayed = (properties: Record<string, string>) => ({
      relay: { contentType: null, userProperties: new Map(Object.entries(properties)), unread },
    });
    const readings = readingsOf(SITES);
    expect(lineOf(readings, 't/a', READING, relayed({ site: '', p: 'x' }))).toContain('m,device=a,plant=x ');
    expect(lineOf(readings, 't/a', READING, relayed({ p: 'x' }))).toMatch(
      /^invalid: the user property "site" .* first 32 .* too many to tell whether it is one of the others$/,
    );
  });

  it('must have a name that a tag can have, and no other has', () => {
    const tags = (...list: object[]) => problemsOf(schema({ telemetry: { tags: list } }));
    expect(tags({ userProperty: 'time' })[0]).toContain("a name of the database's own");
    expect(tags({ userProperty: 'a\nb' })[0]).toContain('must not contain control characters');
    expect(tags({ userProperty: 'a\nb', as: 'ab' })).toEqual([]);
    expect(tags({ userProperty: 'device' })[0]).toContain('is there already');
    expect(tags({ userProperty: 'temperature' })[0]).toContain('is a tag already');
    expect(tags({ userProperty: 'ü'.repeat(129), as: 'u' })[0]).toContain('must have at most 256 bytes');
    expect(tags({ userProperty: 'ü'.repeat(128), as: 'u' })).toEqual([]);
    expect(tags({ userproperty: 'site' })).not.toEqual([]);
  });
});

describe('a schema that wants to know the sender', () => {
  it.each(['clientId', 'username'])(
    'by its %s takes nothing from another broker, and says what to do',
    (by) => {
      const readings = readingsOf(schema({ telemetry: { topics: ['t/{x}'], device: by } }));
      const client = { client: 'c1', username: 'c1' };
      expect(lineOf(readings, 't/a', READING, client)).toContain('m,device=c1 ');
      expect(lineOf(readings, 't/a', READING, { ...client, ...relay({}) })).toBe(
        `invalid: the ${by} names the device, and another broker does not tell it: let the schema take the device from the topic ("{device}") or from the payload ("/id")`,
      );
    },
  );

  it('is told of at its place, where there are other brokers', () => {
    const text = JSON.stringify(schema({ telemetry: { topics: ['t/{x}'], device: 'clientId' } }), null, 2);
    const { schemas } = compileSchemas(new Map([['a.json', text]]));
    expect(senderProblems(schemas)).toMatchObject([
      { file: 'a.json', line: 9, pointer: '/telemetry/device', message: expect.stringContaining('clientId') },
    ]);
  });

  it.each(['{x}', 'port'])('is not meant where the device comes from %s', (device) => {
    const text = JSON.stringify(schema({ telemetry: { topics: ['t/{x}'], device } }));
    expect(senderProblems(compileSchemas(new Map([['a.json', text]])).schemas)).toEqual([]);
  });
});
