import { describe, expect, it } from 'vitest';
import { createArrivalClock } from '../../gateway/clocks/arrival-clock.ts';
import type { Clock, Message } from '../../gateway/contracts.ts';
import { createFormats } from '../../gateway/formats/formats.ts';
import { createInterpret } from '../../gateway/ingest/interpret.ts';
import { inText, readingsOf, schema } from '../readings/under-test.ts';
import { messageOn } from '../support/message.ts';

const NOW_MS = 1_750_000_000_000;
const clock: Clock = { nowMs: () => NOW_MS, monotonicMs: () => 0, sleep: () => new Promise(() => undefined) };
const interpret = createInterpret({ formats: createFormats(), maxPayloadBytes: 1_000 });
const TOPICS = { topics: ['t/{device}/{field}', 't/{device}'] };

function said(of: object, topic: string, payload: string, rest: Partial<Message> = {}): string {
  const route = readingsOf(of).route(topic);
  const readings = interpret(messageOn(topic, payload, rest), route, createArrivalClock(clock, 0), NOW_MS);
  return readings.map((reading) => `${'code' in reading ? reading.code : ''} ${inText(reading)}`).join('|');
}

function bare(missing: readonly unknown[] | undefined, telemetry: object = TOPICS): object {
  const temperature = { type: 'number', ...(missing === undefined ? {} : { missing }) };
  return schema({ telemetry, properties: { temperature } });
}

const ONLY_ONE = 'must have at least one field to store, the only one is declared missing: got string';

describe('a blank payload on a topic of bare values', () => {
  it.each(['', ' ', ' \r\n', '\ufeff', ' '.repeat(400)])(
    'that the schema declares as missing is told as any other such value (%j)',
    (payload) => {
      for (const missing of [[''], ['nan', ''], [' ', '']]) {
        expect(said(bare(missing), 't/d/temperature', payload)).toBe(`invalid invalid: ${ONLY_ONE} ""`);
      }
      expect(said(bare([' ']), 't/d/temperature', payload)).toBe(`invalid invalid: ${ONLY_ONE} " "`);
    },
  );

  it('is told so too where the schema or a serial port says that it is JSON, or a bare value', () => {
    for (const format of ['json', 'scalar'])
      expect(said(bare([''], { ...TOPICS, format }), 't/d/temperature', '')).toContain(ONLY_ONE);
    expect(said(bare(['']), 't/d/temperature', ' ', { source: 'serial', format: 'json' })).toContain(
      ONLY_ONE,
    );
  });

  it('is undecodable where no blank is declared, and where another format is named', () => {
    for (const missing of [undefined, ['nan', null, -127]])
      expect(said(bare(missing), 't/d/temperature', '')).toMatch(/^undecodable .*empty/);
    expect(said(bare(['nan']), 't/d/temperature', ' ')).toMatch(/^undecodable .*blank/);
    const csv = { csv: { columns: ['temperature'] } };
    expect(said(bare([''], { ...TOPICS, format: csv }), 't/d/temperature', ' ')).toMatch(/^undecodable /);
  });

  it('changes nothing for payloads that are no bare values, nor for broken ones', () => {
    expect(said(bare(['']), 't/d', '')).toMatch(/^undecodable .*empty/);
    expect(said(bare(['']), 't/d/temperature', '{"a":')).toMatch(/^undecodable /);
    expect(said(bare(['']), 't/d/temperature', '""')).toContain(ONLY_ONE);
    expect(said(bare(['']), 't/d/temperature', '21.5')).toContain(' temperature=21.5 ');
    expect(said(bare(['']), 't/d/temperature', 'off')).toContain('must be number, got string "off"');
  });

  it('is no value of another property than the one that declares it', () => {
    const two = schema({
      telemetry: TOPICS,
      properties: { temperature: { type: 'number', missing: [''] }, humidity: { type: 'number' } },
    });
    expect(said(two, 't/d/humidity', '')).toMatch(/^undecodable /);
    expect(said(two, 't/d/temperature', '')).toContain(ONLY_ONE);
  });
});
