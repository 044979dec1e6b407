import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Message, Point } from '../../gateway/contracts.ts';
import { nameByContent } from '../../gateway/ingest/name-by-content.ts';
import { MESSAGE } from '../ledgers/fake-store.ts';

function message(payload: string, topic = 'a/b'): Message {
  return { ...MESSAGE, topic, payload: Buffer.from(payload) };
}

function point(changes: Partial<Point> = {}): Point {
  return {
    kind: 'point',
    device: 'd',
    schema: 's.v1',
    line: 'm v=1 1\n',
    recognisable: true,
    isSameAnywhere: true,
    series: { key: 'm', measurement: 'm', device: 'd', fields: [], known: null },
    identity: null,
    sentUs: 1,
    seq: null,
    receipt: false,
    ...changes,
  };
}

function namesOf(of: Message, points: readonly Point[] = [point()]): unknown[] {
  nameByContent(of, points);
  return points.map(({ identity }) => identity);
}

describe('a reading with a time of its own', () => {
  it('has the same name when it comes again, and another for other bytes or on another topic', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (one, other) => {
        expect(namesOf(message(one))).toEqual(namesOf(message(one)));
        if (one !== other) expect(namesOf(message(one))).not.toEqual(namesOf(message(other)));
        if (one !== other) expect(namesOf(message('x', one))).not.toEqual(namesOf(message('x', other)));
      }),
    );
  });

  it('has another name in another series, where that comes from what another broker says of it', () => {
    const relayed = (...pairs: [string, string][]): Message => ({
      ...message('x'),
      relay: { contentType: null, userProperties: new Map(pairs) },
    });
    const inSeries = (key: string): Point[] => [point({ series: { ...point().series, key } })];
    const [north, south] = ['m,site=north', 'm,site=south'];
    const name = namesOf(relayed(['site', 'north']), inSeries(north));
    expect(namesOf(relayed(['site', 'south']), inSeries(south))).not.toEqual(name);
    expect(namesOf(relayed(['site', 'north']), inSeries(north))).toEqual(name);
    expect(namesOf(relayed(['site', 'north'], ['try', '2']), inSeries(north)), 'sent again').toEqual(name);
    expect(namesOf(relayed(), inSeries(north))).toEqual(namesOf(message('x'), inSeries(north)));
  });

  it('is told from the others of its list', () => {
    const names = namesOf(
      message('[…]'),
      Array.from({ length: 1000 }, () => point()),
    );
    expect(new Set(names.map((name) => JSON.stringify(name))).size).toBe(1000);
  });

  it('keeps the identity that its schema gives it', () => {
    const identity = { high: 1, low: 2 };
    expect(namesOf(message('x'), [point({ identity })])).toEqual([identity]);
  });

  it('has none where nothing but its arrival tells when it was', () => {
    const points = [point({ sentUs: null, recognisable: false })];
    expect(namesOf(message('x'), points)).toEqual([null]);
  });

  it('has none where its clock stands still: equal bytes are then two readings', () => {
    const points = [point({ sentUs: 0, recognisable: false })];
    expect(namesOf(message('x'), points)).toEqual([null]);
  });
});
