import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TopicCache } from '../../../gateway/sources/mqtt-broker/topic-cache.ts';
import { TopicFilters } from '../../../gateway/sources/mqtt-broker/topic-filters.ts';
import { filterProblem, matches, topicProblem } from '../../../gateway/sources/mqtt-broker/topics.ts';

const LIMITS = { maxTopicBytes: 100, maxTopicLevels: 10 };
const level = fc.constantFrom('', 'a', 'b', 'ab', '$x', 'gateway');
const topic = fc.array(level, { minLength: 1, maxLength: 5 }).map((levels) => levels.join('/'));
const filter = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('+')), { maxLength: 4 }), fc.constantFrom('#', 'a', '+', ''))
  .map(([levels, last]) => [...levels, last].join('/'));

/** MQTT 3.1.1, 4.7, word for word, slowly. */
function matchesByTheBook(wanted: string, name: string): boolean {
  const filters = wanted.split('/');
  const levels = name.split('/');
  const hidden = name.startsWith('$') || levels[0] === 'gateway';
  if (hidden && (filters[0] === '+' || filters[0] === '#')) return false;
  for (const [i, want] of filters.entries()) {
    if (want === '#') return true;
    if (i >= levels.length) return false;
    if (want !== '+' && want !== levels[i]) return false;
    if (i === levels.length - 1 && filters.length === i + 2 && filters[i + 1] === '#') return true;
  }
  return filters.length === levels.length;
}

describe('a filter', () => {
  it('takes in the topics that the standard says it does', () => {
    fc.assert(
      fc.property(filter, topic, (wanted, name) => {
        expect(matches(wanted, name)).toBe(matchesByTheBook(wanted, name));
      }),
      { numRuns: 2000 },
    );
  });

  it('finds what is filed under it, as long as it is', () => {
    fc.assert(
      fc.property(fc.array(filter, { maxLength: 12 }), topic, fc.nat(), (filters, name, removed) => {
        const filed = new TopicFilters<number>();
        const things = filters.map((wanted, i) => ({ wanted, i }));
        for (const { wanted, i } of things) filed.add(wanted, i);
        const gone = things.filter(({ i }) => (i + removed) % 3 === 0);
        for (const { wanted, i } of gone) {
          filed.remove(wanted, i);
          filed.remove(wanted, i);
        }
        const left = things.filter((thing) => !gone.includes(thing));
        expect(filed.size).toBe(left.length);
        const found: number[] = [];
        filed.visit(name, (i) => found.push(i));
        const expected = left.filter(({ wanted }) => matches(wanted, name)).map(({ i }) => i);
        expect(found.toSorted((a, b) => a - b)).toEqual(expected);
        expect(filed.has(name)).toBe(expected.length > 0);
      }),
      { numRuns: 1000 },
    );
  });

  it.each(['#', '+', '/', 'a/+/b', '+/+', 'a/#', '/+', '+/', '$x/#'])('may be %s', (wanted) => {
    expect(filterProblem(wanted, LIMITS)).toBeNull();
  });

  it.each([
    '',
    'a+',
    '+a',
    'a#',
    'a/#/b',
    '##',
    '++',
    'a/b+/c',
    'a/+b',
    'a\u007f',
    'a\ufffd',
    'x'.repeat(101),
    '/'.repeat(10),
  ])('may not be %j', (wanted) => {
    expect(filterProblem(wanted, LIMITS)).not.toBeNull();
  });

  it('and topic are judged without a throw, whatever they hold', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const problem = topicProblem(text, LIMITS);
        if (problem === null) expect(filterProblem(text, LIMITS)).toBeNull();
      }),
    );
  });
});

describe('what is remembered of topics', () => {
  it('leaves out those that nobody may publish on: they may be long, and each ends its connection', () => {
    const cache = new TopicCache(LIMITS);
    const long = 'x'.repeat(60_000);
    expect(cache.get(long).problem).toBe('topic too long');
    expect(cache.get(long)).not.toBe(cache.get(long));
    expect(cache.get('a/b')).toBe(cache.get('a/b'));
  });
});
