import { expect, test } from 'vitest';
import { draftOf, infer, messageOf, readUnder } from './inference.ts';

function notesOf(readings: readonly unknown[], topic = 'rtl_433/events'): string {
  const families = infer(
    readings.map((reading) => ({
      topic,
      payload: typeof reading === 'string' ? reading : JSON.stringify(reading),
    })),
  );
  return families[0]?.draft?.notes.join(' ') ?? '';
}
const rounds = (n: number, of: (i: number) => unknown) => Array.from({ length: n }, (_, i) => of(i));

test.each(['id', 'from', 'sensor_id', 'device_id', 'deviceId', 'dev', 'mac', 'addr', 'node'])(
  'several names in a field %s on one topic are told, with what tells them apart',
  (name) => {
    const numbers = notesOf(rounds(8, (i) => ({ [name]: 137 + (i % 2), v: i + 0.5 })));
    expect(numbers).toContain(
      `/${name} names 2 different things on one topic, and what they send is one series: if it names the device, say "device": "/${name}" and declare it as an integer.`,
    );
  },
);

test('texts and what is one level down are told too', () => {
  expect(notesOf(rounds(8, (i) => ({ rx: { addr: `a${i % 3}` }, v: i + 0.5 })))).toContain(
    '/rx/addr names 3 different things on one topic, and what they send is one series: if it names the device, say "device": "/rx/addr".',
  );
});

test('what the note says can be done', () => {
  const topic = 'rtl_433/events';
  const [family] = infer(
    Array.from({ length: 8 }, (_, i) => ({ topic, payload: `{"id":${137 + (i % 2)},"v":${i}.5}` })),
  );
  if (family?.draft == null) throw new Error('no draft');
  const schema = draftOf([family], family.pattern);
  const text = JSON.stringify({
    ...schema,
    telemetry: { ...schema.telemetry, device: '/id' },
    properties: { ...schema.properties, id: { type: 'integer' } },
  });
  const mended = [{ ...family, draft: { ...family.draft, text } }];
  expect(readUnder(mended, [messageOf(topic, '{"id":137,"v":2.5}')])[0]).toMatch(/^\w+,device=137 v=2.5 /);
});

test.each([
  ['one name on each topic', rounds(8, () => ({ id: 137, v: 1.5 }))],
  ['another one each time, as of a message', rounds(8, (i) => ({ id: i, v: 1.5 }))],
  ['a value', rounds(8, (i) => ({ id: (i % 2) + 0.5, v: 1.5 }))],
  ['other names', rounds(8, (i) => ({ source: i % 2 === 0 ? 'timer' : 'http', unit: i % 2, v: 1.5 }))],
])('nothing is said of %s', (_, readings) => {
  expect(notesOf(readings)).not.toContain('one series');
});
