import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseTopicPattern, type TopicPattern } from '../../gateway/readings/topic-pattern.ts';
import { TopicRouter } from '../../gateway/readings/topic-router.ts';
import { readingsOf, schema } from './under-test.ts';

function pattern(text: string): TopicPattern {
  const parsed = parseTopicPattern(text);
  if (typeof parsed === 'string') throw new Error(parsed);
  return parsed;
}

function routerOf(...texts: readonly string[]): TopicRouter<string> {
  const router = new TopicRouter<string>();
  for (const text of texts) router.add(pattern(text), text, null);
  return router;
}

describe('a topic', () => {
  const router = routerOf('{all+}', 'a/{x}', 'a/b', 'a/{x}/c', 'a/b/{y}', 'a/b/{rest+}', '{x}/b/c/d');

  it.each([
    ['a/b', 'a/b'],
    ['a/z', 'a/{x}'],
    ['a/b/c', 'a/b/{y}'],
    ['a/z/c', 'a/{x}/c'],
    ['a/b/c/d', 'a/b/{rest+}'],
    ['z/b/c/d', '{x}/b/c/d'],
    ['z', '{all+}'],
    ['a', '{all+}'],
    ['a/z/z', '{all+}'],
    ['a/b/', 'a/b/{y}'],
  ])('%s goes to the most specific pattern, %s', (topic, expected) => {
    expect(router.find(topic)?.target).toBe(expected);
  });

  it('is nobody’s where no pattern matches, and a rest is at least one level', () => {
    const strict = routerOf('a/{rest+}', 'b/{x}/c');
    for (const topic of ['a', 'b', 'b/x', 'b/x/c/d', 'A/x', '', '__proto__', 'constructor/x']) {
      expect(strict.find(topic), topic).toBeNull();
    }
    expect(Object.fromEntries(strict.find('a/x/y//z')?.captures ?? [])).toEqual({ rest: 'x/y//z' });
  });

  it('gives back in its captures the levels it had', () => {
    const level = fc.string({ minLength: 1 }).filter((text) => !/[/+#{}\p{Cc}]/u.test(text));
    fc.assert(
      fc.property(level, level, fc.array(level, { minLength: 1 }), (x, y, rest) => {
        const captures = routerOf('t/{x}/{y}/{rest+}').find(['t', x, y, ...rest].join('/'))?.captures;
        expect(Object.fromEntries(captures ?? [])).toEqual({ x, y, rest: rest.join('/') });
      }),
    );
  });

  it('of ten thousand levels is answered', () => {
    expect(router.find('a/'.repeat(10_000))?.target).toBe('{all+}');
  });
});

describe('an unclaimed topic', () => {
  const readings = readingsOf(
    schema({ $id: 'env.v1', telemetry: { topics: ['sensors/{device}/environment'] } }),
    schema({ $id: 'soil.v1', telemetry: { topics: ['sensors/{device}/soil'] } }),
  );

  it('is told which schema comes nearest', () => {
    expect(readings.nearest('sensors/d1/enviroment')).toBe('env.v1 (sensors/{device}/environment)');
    expect(readings.nearest('Sensors/d1/Soil')).toBe('soil.v1 (sensors/{device}/soil)');
    expect(readings.nearest('sensors/hall/d1/soil')).toBe('soil.v1 (sensors/{device}/soil)');
    expect(readings.nearest('x')).toBeNull();
  });

  it('is told of none that has nothing to do with it', () => {
    const others = readingsOf(
      schema({ $id: 'shellies.v1', telemetry: { topics: ['shellies/{device}/{field}'] } }),
      schema({ $id: 'weather.v1', telemetry: { topics: ['site/{site}/weather/{device}/{field}'] } }),
      schema({ $id: 'all.v1', telemetry: { topics: ['{site}/{room}/{device}/{field}'] } }),
    );
    expect(others.nearest('cmnd/plug_kitchen/POWER')).toBeNull();
    expect(others.nearest('site/berlin/lights/1/on')).toBe(
      'weather.v1 (site/{site}/weather/{device}/{field})',
    );
    expect(others.nearest('home/berlin/lights/1/on')).toBeNull();
    expect(others.nearest('shelly/plug/power')).toBeNull();
    expect(others.nearest('shelies/plug/power')).toBe('shellies.v1 (shellies/{device}/{field})');
    expect(others.nearest('a/b/c/d/e/f')).toBeNull();
  });

  it('costs nothing that grows: many different topics are forgotten again', () => {
    for (let i = 0; i < 60_000; i += 1) expect(readings.route(`junk/${i}`)).toBeNull();
    expect(readings.route('sensors/d/soil')?.schemas).toEqual(['soil.v1']);
    expect(readings.route('sensors/d/soil')).toBe(readings.route('sensors/d/soil'));
  });
});
