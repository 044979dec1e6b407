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

  it('must have a name that a tag can have, and no other has', () => {
    const tags = (...list: object[]) => problemsOf(schema({ telemetry: { tags: list } }));
    expect(tags({ userProperty: 'time' })[0]).toContain("a name of the database's own");
    expect(tags({ userProperty: 'a\nb' })[0]).toContain('must not contain control characters');
    expect(tags({ userProperty: 'a\nb', as: 'ab' })).toEqual([]);
    expect(tags({ userProperty: 'device' })[0]).toContain('is there already');
    expect(tags({ userProperty: 'temperature' })[0]).toContain('is a tag already');
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
