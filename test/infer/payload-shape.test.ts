import { describe, expect, test } from 'vitest';
import { draftOf, infer, messageOf, readUnder } from './inference.ts';

const on = (topic: string, payloads: readonly string[]) => payloads.map((payload) => ({ topic, payload }));
const fieldsOf = (line: string | undefined): string => / (.*) \d{19}$/.exec(line ?? '')?.[1] ?? `${line}`;

describe('digits with one comma', () => {
  test('are a number with decimals, also beside whole ones', () => {
    const families = infer(on('hall/d1/weight', ['11,97', '10,00', '1,230', '-3,5', '12']));
    expect(families[0]?.trial).toMatchObject({ problems: [], samples: 5, accepted: 5 });
    const values = ['11,97', '10,00', '1,230', '-3,5', '12'].map((payload) =>
      fieldsOf(readUnder(families, [messageOf('hall/d1/weight', payload)])[0]),
    );
    expect(values).toEqual(['weight=11.97', 'weight=10', 'weight=1.23', 'weight=-3.5', 'weight=12']);
    expect(families[0]?.draft?.notes.join(' ')).toContain('"11,97" is 11.97');
  });

  test('have the name that the topic gives them, else "value"', () => {
    for (const [topic, name] of [
      ['halle/d1/temperature', 'temperature'],
      ['halle/d1/gewicht', 'gewicht'],
      ['gewicht/4711', 'value'],
    ] as const) {
      const [line] = readUnder(infer(on(topic, ['11,97', '12,5'])), [messageOf(topic, '11,97')]);
      expect(fieldsOf(line)).toBe(`${name}=11.97`);
    }
  });

  test.each([
    ['more commas elsewhere', ['21,40', '21,40,1']],
    ['a blank', ['21, 40', '22, 41']],
    ['a decimal point', ['21,40', '21.5,40']],
    ['a sign behind it', ['21,-40', '22,40']],
    ['a time', ['1772366400,21', '1772366401,22']],
  ])('are two columns where %s shows it', (_, payloads) => {
    const families = infer(on('hall/d1/x', payloads));
    const pattern = families[0]?.pattern ?? '';
    expect(draftOf(families, pattern).telemetry.format).toMatchObject({
      csv: { columns: expect.arrayContaining(['value1', 'value2']) },
    });
    expect(draftOf(families, pattern).telemetry.format).not.toMatchObject({ csv: { decimal: ',' } });
  });

  test('with points between thousands get no draft, and the reason', () => {
    expect(infer(on('hall/d1/weight', ['1.013,25', '1.014,5']))[0]).toMatchObject({
      draft: null,
      why: expect.stringContaining('points between thousands'),
    });
  });
});

describe('tables', () => {
  test('have decimal commas in every row where they have them in one', () => {
    for (const payloads of [
      ['10;40', '10,5;40,25', '11;41'],
      ['temperature;humidity\n10;40', 'temperature;humidity\n10,5;40,25', 'temperature;humidity\n11;41'],
    ]) {
      const families = infer(on('hall/d1/x', payloads));
      expect(families[0]?.trial, payloads[0]).toMatchObject({ problems: [], samples: 3, accepted: 3 });
      const [line] = readUnder(families, [messageOf('hall/d1/x', payloads[1] ?? '')]);
      expect(fieldsOf(line)).toMatch(/=10\.5,.*=40\.25$/);
    }
  });

  test('are read where every cell stands in quotes', () => {
    const families = infer(on('hall/d1/x', ['"temperature","room"\n"21.5","lab"\n']));
    expect(families[0]?.trial).toMatchObject({ samples: 1, accepted: 1 });
    const [line] = readUnder(families, [messageOf('hall/d1/x', '"temperature","room"\n"22","lab"\n')]);
    expect(line).toContain('temperature=22');
  });
});

describe('other payloads', () => {
  test.each(['12:03', '16:9', 'v1.2:0', '12:03:05'])('%s is a text, and no pair', (payload) => {
    const families = infer(on('hall/d1/clock', [payload, payload]));
    expect(families[0]?.trial).toMatchObject({ samples: 2, accepted: 2 });
    const [line] = readUnder(families, [messageOf('hall/d1/clock', payload)]);
    expect(line).toContain(`="${payload}"`);
  });

  test('pairs with a colon stay pairs', () => {
    const [line] = readUnder(infer(on('hall/d1/x', ['t:21.5 h:40', 't:22 h:41'])), [
      messageOf('hall/d1/x', 't:21.5 h:40'),
    ]);
    expect(fieldsOf(line)).toBe('t=21.5,h=40');
  });

  test.each([
    ['SenML', '[{"bn":"urn:dev:1:","n":"temp","u":"Cel","v":21.5},{"n":"hum","v":40}]'],
    ['line protocol', 'weather,location=midwest temperature=82,humidity=71 1465839830100400200'],
  ])('%s gets no draft, and the reason', (name, payload) => {
    expect(infer(on('hall/d1/x', [payload]))[0]).toMatchObject({
      draft: null,
      why: expect.stringContaining(name),
    });
  });
});
