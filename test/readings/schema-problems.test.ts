import { describe, expect, it } from 'vitest';
import { problemsOf, readingsOf, schema } from './under-test.ts';

/** One schema with `telemetry` or other parts as given; its only problem, without the position. */
const problem = (parts: Parameters<typeof schema>[0]): string => {
  const [only, ...more] = problemsOf(schema(parts));
  expect(more).toEqual([]);
  return (only ?? 'none').replace(/^a\.json:\d+:\d+ /, '');
};
const telemetry = (section: object, properties: object = {}): string =>
  problem({ telemetry: section, properties });
const property = (value: unknown): string => problem({ properties: { x: value } });

describe('a schema file with a problem', () => {
  it('is told as file:line:column pointer message', () => {
    const text =
      '{\n  "$id": "a.v1",\n  "type": "object",\n  "telemetry": {\n    "measurement": "m",\n    "topics": ["t/+"],\n    "tag": []\n  },\n  "properties": {}\n}';
    expect(problemsOf(text)).toEqual(['a.json:7:5 /telemetry/tag is not known here; check its spelling']);
    expect(problemsOf(text.replace(',\n    "tag": []', ''))).toContain(
      'a.json:6:16 /telemetry/topics/0 has the MQTT wildcard +; capture the level instead: {device}',
    );
  });

  it.each([
    ['', 'a.json:1:1 is not JSON: expected a value, found the end'],
    ['{"a":1,}', 'a.json:1:8 is not JSON: expected a property name in double quotes, found }'],
    ['{\n\t"a": nan\n}', 'a.json:2:7 is not JSON: expected a value, found nan'],
    ['{"a": "x\ny"}', 'a.json:1:7 is not JSON: expected a closing " on the same line, found "x'],
    ['[]', 'a.json:1:1 must be object, got an array of 0'],
    ['{"a": 1, "b": {"c": 2, "c": 3}}', 'a.json:1:24 /b/c is given twice; keep one of them'],
    [`${'['.repeat(5000)}`, 'a.json:1:66 is not JSON: nested deeper than 64 levels'],
  ])('%j is refused where it goes wrong', (text, words) => {
    expect(problemsOf(text)).toContain(words);
  });

  it('takes a byte order mark, tabs, and this vocabulary as $schema', () => {
    const text = `\ufeff${JSON.stringify(schema({ $schema: '../telemetry-vocabulary.schema.json' }), null, '\t')}`;
    expect(problemsOf(text)).toEqual([]);
    expect(problem({ $schema: 'http://json-schema.org/draft-07/schema#' })).toMatch(
      /must be JSON Schema 2020-12/,
    );
  });
});

describe('the telemetry section is refused where', () => {
  it('something is missing or misspelt', () => {
    expect(
      problemsOf({ type: 'object', properties: {}, telemetry: { measurement: 'm', topics: ['t/{device}'] } }),
    ).toEqual(['a.json:1:1 /$id is required, but missing']);
    expect(problemsOf({ $id: 'x', type: 'object', properties: {} })).toEqual([
      'a.json:1:1 /telemetry is required, but missing',
    ]);
    expect(problem({ type: 'array' })).toBe('/type must be string "object", got string "array"');
    expect(telemetry({ topics: [] })).toMatch(/\/telemetry\/topics/);
    expect(telemetry({ time: { property: 'temperature', unit: 'min' } })).toMatch(/must be one of "s", "ms"/);
  });

  it('no device is named', () => {
    expect(telemetry({ topics: ['t/{device}', 't/x/y'] })).toMatch(
      /^\/telemetry no device: the topic t\/x\/y does not capture \{device\}/,
    );
    expect(telemetry({ device: '{id}' })).toMatch(/^\/telemetry\/device no device/);
    expect(telemetry({ device: '/serial' })).toBe('/telemetry/device names no declared property');
    expect(telemetry({ device: 'client' })).toMatch(/^\/telemetry\/device/);
    expect(telemetry({ device: '/serial', topics: ['t/{field}'] }, { serial: { type: 'string' } })).toMatch(
      /one bare value/,
    );
  });

  it('a topic is no pattern', () => {
    const topic = (text: string): string => telemetry({ topics: ['t/{device}', text] });
    expect(topic('t/#')).toMatch(/wildcard #/);
    expect(topic('t//{device}')).toMatch(/empty level/);
    expect(topic('t/sensor-{device}')).toMatch(/a capture is a whole level/);
    expect(topic('t/{rest+}/{device}')).toMatch(/must come last/);
    expect(topic('t/{device}/{device}')).toMatch(/captures \{device\} twice/);
    expect(topic('t/{field+}')).toMatch(/one level/);
    expect(topic('t/a\u0007b')).toMatch(/which no topic can have/);
  });

  it('a tag, constant, measurement or name cannot be', () => {
    expect(telemetry({ tags: ['site'] })).toMatch(/neither captured by a topic nor a declared property/);
    expect(telemetry({ tags: ['temperature'] })).toMatch(/a number makes a poor tag/);
    expect(telemetry({ constants: { device: 'x' } })).toMatch(/"device" is there already/);
    expect(telemetry({ constants: { time: 'x' } })).toMatch(/database's own/);
    expect(telemetry({ constants: { c: 'x\\' } })).toMatch(/backslash/);
    expect(telemetry({ measurement: '#m' })).toMatch(/comment/);
    expect(telemetry({ measurement: '{kind}' })).toMatch(/every topic must capture \{kind\}/);
    expect(telemetry({ deviceTag: 'temperature' })).toMatch(/"temperature" is a tag already/);
    expect(telemetry({ identity: ['seq'] })).toMatch(/\/identity\/0 names no declared property/);
    expect(telemetry({ select: { __proto__x: 1 }, topics: ['t/{device}/{field}'] })).toMatch(/bare value/);
  });

  it('a time cannot be', () => {
    const time = (rule: object, ts: object = { type: 'integer' }): string =>
      telemetry({ time: { property: 'ts', unit: 'ms', ...rule } }, { ts });
    expect(time({ property: 'at' })).toMatch(/"at" is no declared property/);
    expect(time({ unit: 'iso' })).toMatch(/iso needs a property of type string/);
    expect(time({ unit: 'ns' })).toMatch(/ns do not fit a JSON number/);
    expect(time({ kind: 'age', unit: 'iso' }, { type: 'string' })).toMatch(/an age is counted in/);
    expect(time({ zone: 'UTC' })).toMatch(/only for the unit iso/);
    expect(time({ unit: 'iso', zone: 'Mars' }, { type: 'string' })).toMatch(/no time zone/);
    expect(time({ window: { ahead: 'soon' } })).toMatch(/\/window\/ahead/);
    expect(time({ window: { from: '2026-02-30T00:00:00Z' } })).toMatch(/\/window\/from must be a time/);
  });
});

describe('a property is refused where', () => {
  it('it has no one type to store', () => {
    expect(property({})).toMatch(/^\/properties\/x must have one type to be stored .* has none/);
    expect(property({ type: ['string', 'number'] })).toMatch(/has string or number/);
    expect(property({ enum: [1, 'a'] })).toMatch(/has number or string/);
    expect(property({ type: 'object', properties: { y: {} } })).toMatch(
      /^\/properties\/x\/properties\/y must have/,
    );
    expect(
      readingsOf(
        schema({ properties: { x: { enum: ['a', null] }, y: { const: 3 }, z: { field: false } } }),
      ).describe()[0]?.fields,
    ).toMatchObject([{ name: 'temperature' }, { name: 'x', type: 'string' }, { name: 'y', type: 'float' }]);
  });

  it('its name in the database is taken, reserved, or differs only in case', () => {
    const names = (properties: object): string => problem({ properties });
    expect(
      names({ a: { type: 'object', properties: { b: { type: 'number' } } }, a_b: { type: 'number' } }),
    ).toMatch(/^\/properties\/a_b its field name "a_b" is taken by \/a\/b/);
    expect(names({ Temperature: { type: 'number' } })).toMatch(/"Temperature" is taken by \/temperature/);
    expect(names({ time: { type: 'number' } })).toMatch(/"time" is a name of the database's own/);
    expect(names({ x: { type: 'number', field: 'TIME' } })).toMatch(/"TIME" is a name/);
    expect(names({ Device: { type: 'string' } })).toMatch(/"Device" is a tag already/);
    expect(names({ 'x\\': { type: 'number' } })).toMatch(/backslash/);
    expect(names({ constructor: { type: 'number' } })).toMatch(/a name that every object has/);
    expect(
      problemsOf(
        JSON.stringify(schema()).replace('"properties":{', '"properties":{"__proto__":{"type":"number"},'),
      )[0],
    ).toMatch(/\/properties\/__proto__ is a name that every object has/);
  });

  it('a keyword or a format is not known', () => {
    expect(property({ type: 'number', units: 'Cel' })).toBe(
      '/properties/x/units is no keyword of JSON Schema; check its spelling',
    );
    expect(property({ type: 'string', format: 'colour' })).toMatch(/\/format is not known; known are date/);
    expect(property({ type: 'number', minimum: '3' })).toBe(
      '/properties/x/minimum must be number, got string "3"',
    );
    expect(property({ type: 'number', telemetry: {} })).toMatch(/belongs at the top of the file/);
    expect(property({ $anchor: 'a', type: 'number' })).toMatch(/not supported/);
  });

  it('a reference leaves the file, leads nowhere or in a circle', () => {
    expect(property({ $ref: 'other.json#/x' })).toMatch(/\/\$ref must stay within the file/);
    expect(property({ $ref: '#/$defs/none' })).toMatch(/leads nowhere/);
    expect(property({ $ref: '#/$defs/__proto__' })).toMatch(/leads nowhere/);
    expect(property({ $ref: '#' })).toMatch(/refers to itself/);
    const $defs = { a: { type: 'object', properties: { b: { $ref: '#/$defs/a' } } } };
    expect(problemsOf(schema({ $defs, properties: { x: { $ref: '#/$defs/a' } } })).join()).toMatch(
      /refers to itself/,
    );
  });

  it('its check would take too long: doubling references, uniqueItems of objects', () => {
    const $defs = Object.fromEntries(
      Array.from({ length: 20 }, (_, i) => [
        `d${i}`,
        i === 19
          ? { type: 'number' }
          : { anyOf: [{ $ref: `#/$defs/d${i + 1}` }, { $ref: `#/$defs/d${i + 1}` }] },
      ]),
    );
    expect(
      problemsOf(schema({ $defs, properties: { x: { type: 'number', $ref: '#/$defs/d0' } } })).join(),
    ).toMatch(/more than 5000 subschemas/);
    expect(property({ type: 'array', uniqueItems: true })).toMatch(/needs items of one scalar type/);
  });

  it('an example is not valid', () => {
    expect(problem({ examples: [{ temperature: 1 }, { temperature: 'x' }] })).toBe(
      '/examples/1/temperature is no valid example: must be number, got string "x"',
    );
  });
});

describe('schemas that do not go together are refused where', () => {
  const two = (a: object, b: object): string[] =>
    problemsOf(schema({ $id: 'a.v1', ...a }), schema({ $id: 'b.v1', ...b })).map((text) =>
      text.replace(/:\d+:\d+/, ''),
    );

  it('they have one $id', () => {
    expect(two({}, { $id: 'a.v1', telemetry: { topics: ['u/{device}'] } })).toEqual([
      'b.json /$id "a.v1" is the $id of a.json already',
    ]);
  });

  it('they claim the same topics and select does not tell them apart', () => {
    const clash =
      'b.json /telemetry/topics/0 "t/{id}" matches the same topics as "t/{device}" of a.v1 in a.json; change one, or tell them apart by "select"';
    const b = (more: object): object => ({ telemetry: { topics: ['t/{id}'], device: '{id}', ...more } });
    expect(two({}, b({}))).toEqual([clash]);
    expect(two({ telemetry: { select: { v: 1 } } }, b({ select: { v: 1 } }))).toEqual([clash]);
    expect(two({ telemetry: { select: { v: 1 } } }, b({ select: { w: 2 } }))).toEqual([clash]);
    expect(two({ telemetry: { select: { v: 1 } } }, b({ select: { v: 2 } }))).toEqual([]);
    expect(two({}, b({ select: { v: 2 } }))).toEqual([]);
    expect(problemsOf(schema({ telemetry: { topics: ['t/{device}', 't/{device}'] } })).join()).toMatch(
      /topics/,
    );
  });

  it('one measurement would have two types, spellings or roles for a name', () => {
    const other = (x: object, more: object = {}): object => ({
      telemetry: { topics: ['u/{device}'], ...more },
      properties: { x },
    });
    const with_ = (x: object): object => ({ properties: { x } });
    expect(two(with_({ type: 'number' }), other({ type: 'integer' }))).toEqual([
      'b.json /properties/x is stored as "x" (integer) in measurement m, where a.v1 in a.json has "x" (float); rename one by "field", or use another measurement',
    ]);
    expect(two(with_({ type: 'number' }), other({ type: 'number', field: 'X' })).join()).toMatch(
      /has "x" \(float\)/,
    );
    expect(two(with_({ type: 'string' }), other({ type: 'string' }, { tags: ['x'] })).join()).toMatch(
      /"x" \(tag\)/,
    );
    expect(two(with_({ type: 'number' }), other({ type: 'number' }))).toEqual([]);
    expect(two(with_({ type: 'number' }), other({ type: 'integer' }, { measurement: 'n' }))).toEqual([]);
  });
});
