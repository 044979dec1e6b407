import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  commonFilter,
  filterCovers,
  filterTakes,
  topicFilterProblem,
  topicNameProblem,
  withoutShare,
} from '../../gateway/broker-link/topic-filter.ts';

const level = fc.constantFrom('a', 'b', '$SYS', '');
const topic = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'));
const filter = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('+')), { maxLength: 3 }), fc.constantFrom('#', '+', 'a'))
  .map(([levels, last]) => [...levels, last].join('/'));

describe('topic filters', () => {
  test.each([
    ['sport/tennis/#', 'sport/tennis', true],
    ['sport/+', 'sport', false],
    ['sport/+', 'sport/', true],
    ['+', '/finance', false],
    ['+/+', '/finance', true],
    ['#', '$SYS/uptime', false],
    ['+/uptime', '$SYS/uptime', false],
    ['$SYS/#', '$SYS/uptime', true],
  ])('%s takes %s: %s', (wanted, name, takes) => {
    expect(filterTakes(wanted, name)).toBe(takes);
  });

  test('one that covers another takes all that it takes, and overlaps with it', () => {
    fc.assert(
      fc.property(filter, filter, topic, (outer, inner, name) => {
        const both = commonFilter(outer, inner);
        expect(both !== null && filterTakes(both, name)).toBe(
          filterTakes(inner, name) && filterTakes(outer, name),
        );
        if (filterCovers(outer, inner) && filterTakes(inner, name))
          expect(filterTakes(outer, name)).toBe(true);
      }),
    );
  });

  test('are told from what is none', () => {
    for (const good of ['#', '+', 'a/+/b', '/', 'a//b', '+/#']) expect(topicFilterProblem(good)).toBeNull();
    for (const bad of ['', 'a#', 'a+/b', '#/a', 'a\0b', 'x'.repeat(1025)])
      expect(topicFilterProblem(bad)).not.toBeNull();
    expect(topicNameProblem('a/+')).not.toBeNull();
    expect(topicNameProblem('a/b')).toBeNull();
  });

  test('lose the group they are shared in', () => {
    expect(withoutShare('$share/g/a/#')).toEqual({ filter: 'a/#', share: 'g' });
    expect(withoutShare('$share/g')).toEqual({ filter: '$share/g', share: null });
    expect(withoutShare('a/b')).toEqual({ filter: 'a/b', share: null });
  });
});
