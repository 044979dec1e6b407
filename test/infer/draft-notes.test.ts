import { describe, expect, test } from 'vitest';
import { whyUnloadable } from '../../gateway/infer/verify-drafts.ts';
import { draftOf, infer, messageOf, readUnder } from './inference.ts';

const on = (topic: string, payloads: readonly unknown[]) =>
  payloads.map((payload) => ({
    topic,
    payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
  }));
const times = <T>(n: number, value: T): T[] => Array.from({ length: n }, () => value);

describe('what most readings agree on', () => {
  test('is drafted, and what would be rejected for it is told', () => {
    const families = infer(
      on('x/d1', [...times(75, { temperature: 21.5 }), ...times(3, { temperature: 'bad' })].slice(-50)),
    );
    expect(draftOf(families, 'x/{device}').properties).toMatchObject({ temperature: { type: 'number' } });
    expect(families[0]?.draft?.notes.join(' ')).toContain('3 of 50 hold something else, such as "bad"');
    expect(families[0]?.trial).toMatchObject({
      samples: 50,
      accepted: 47,
      withoutValue: 0,
      exceptions: [{ count: 3, topic: 'x/d1' }],
    });
  });

  test('is left out where too many do not', () => {
    const families = infer(on('x/d1', [...times(6, { a: 1, b: 2 }), ...times(4, { a: 'x', b: 2 })]));
    expect(Object.keys(draftOf(families, 'x/{device}').properties)).toEqual(['b']);
  });
});

describe('what a draft would reject', () => {
  test('is told by cause, the most frequent first', () => {
    const families = infer(
      on('x/d1', [...times(40, { t: 21.5 }), { t: 'bad' }, { t: 'worse' }, { t: 'bad' }, times(3, 1)]),
    );
    const exceptions = families[0]?.trial?.exceptions ?? [];
    expect(exceptions.map(({ count, why }) => `${count} ${why}`)).toEqual([
      expect.stringMatching(/^3 invalid: \/t must be number, got/),
      '1 invalid: must be object, got number 1',
    ]);
  });

  test('says that there is no value only where each value in it says so', () => {
    const families = infer([
      ...on('x/d1', [...times(20, { t: 21.5 }), { t: 'nan' }, { t: null }, { other: 'x' }]),
      ...on('x/d2', times(20, { t: 21.5 })),
    ]);
    const drafted = infer(on('x/d1', times(20, { t: 21.5 })));
    expect(families[0]?.trial?.withoutValue).toBe(2);
    expect(readUnder(drafted, [messageOf('x/d1', '{"t":null}')])[0]).toContain('invalid');
  });

  test('is told of topics that have no draft of their own', () => {
    const csv = infer([...on('x/d1/c', times(5, '1,2,3,4')), ...on('x/d2/c', times(2, '1;2;3'))]);
    const [without] = csv.filter(({ draft }) => draft === null);
    expect(without?.why).toMatch(
      /the draft x-c\.v1 claims these topics too, and would reject 2 of 2 samples$/,
    );
  });

  test('a schema that does not load is known for one', () => {
    const [family] = infer(on('x/d1', [{ t: 1 }]));
    const draft = family?.draft;
    if (draft == null) throw new Error('no draft');
    const whole = (spec: string): string | null => (spec === '' ? 'none' : null);
    expect(whyUnloadable(draft, whole)).toBeNull();
    const broken = draft.text.replace(
      '"measurement"',
      '"time": {"property": "none", "unit": "s"}, "measurement"',
    );
    expect(whyUnloadable({ ...draft, text: broken }, whole)).toContain('no declared property');
  });
});

describe('a draft', () => {
  test('says why numbers are texts, and not of names that begin with digits', () => {
    for (const value of ['14,2', '104.8 °C', '40 %', '0.056s']) {
      const [family] = infer(on('x/d1', times(3, { v: value, w: 1 })));
      expect(family?.draft?.notes.join(' '), value).toContain('/v is a text, because its numbers have a');
    }
    for (const value of ['11n', '260B1230', 'v12', 'R-1'])
      expect(infer(on('x/d1', times(3, { v: value, w: 1 })))[0]?.draft?.notes.join(' ')).not.toContain(
        '/v is',
      );
  });

  test('declares 500 properties, and says how many it leaves out', () => {
    const wide = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`ch${i}`, i + 0.5]));
    const fits = infer(on('x/d1', [wide(200)]));
    expect(Object.keys(draftOf(fits, 'x/{device}').properties)).toHaveLength(200);
    const families = infer(on('x/d1', [wide(520)]));
    expect(Object.keys(draftOf(families, 'x/{device}').properties)).toHaveLength(500);
    expect(families[0]?.draft?.notes.join(' ')).toContain('20 are left out (ch500, ch501, … ch519)');
  });

  test('takes the colour temperature of lamps for mired, and no temperature', () => {
    const families = infer(on('x/d1', [{ color_temp: 370 }, { color_temp: 153 }]));
    expect(draftOf(families, 'x/{device}').properties).toEqual({ color_temp: { type: 'number' } });
    const kelvin = infer(on('x/d1', [{ color_temp: 2700 }, { color_temp: 6500 }]));
    expect(draftOf(kelvin, 'x/{device}').properties).toMatchObject({ color_temp: { unit: 'K' } });
  });

  test('is named after the last levels, without ids, so that kinds of messages differ', () => {
    const application = 'application/9c9f4eec-6c9f-4a3e-8a3c-0d2e4a5b6c7d/device';
    const families = infer(
      ['up', 'status', 'join'].flatMap((kind, k) =>
        ['0101010101010101', '24e124136b502217'].flatMap((eui) =>
          on(`${application}/${eui}/event/${kind}`, [{ [`v${k}`]: 1 }]),
        ),
      ),
    );
    expect(families.map(({ draft }) => draft?.id).toSorted()).toEqual([
      'application-device-event-join.v1',
      'application-device-event-status.v1',
      'application-device-event-up.v1',
    ]);
  });

  test('reads what a Shelly tells of itself, and takes it for no command', () => {
    const families = infer([
      ...on('shellyplus1-a8032ab1/events/rpc', [{ src: 's', params: { 'switch:0': { apower: 1.5 } } }]),
      ...on('shellyplus1-a8032ab1/rpc', [{ id: 1, method: 'Switch.Set' }]),
    ]);
    expect(families.map(({ pattern, draft }) => [pattern, draft !== null])).toEqual([
      ['{device}/events/rpc', true],
      ['shellyplus1-a8032ab1/rpc', false],
    ]);
  });

  test('names an object that may tell the device', () => {
    const families = infer(
      on('uplink', [
        { device: { id: 'a1' }, v: 1 },
        { device: { id: 'b2' }, v: 1 },
        { device: { id: 'a1' }, v: 1 },
      ]),
    );
    expect(families[0]?.draft?.notes.join(' ')).toContain('say "device": "/device/id"');
  });
});

describe('topics without a draft', () => {
  test('are those that the draft of others fits better', () => {
    const families = infer([
      ...on('env/k1/humidity', ['40,1', '40,2']),
      ...on('env/k3/humidity', ['40,1', '40,2']),
      ...on('env/k2/humidity', ['41']),
    ]);
    expect(families.map(({ pattern, why }) => [pattern, why])).toEqual([
      ['env/{device}/humidity', null],
      [
        'env/{device}/{field}',
        'another draft fits these topics better; the draft env-humidity.v1 claims these topics too, and takes their samples',
      ],
    ]);
    expect(families[0]?.trial).toMatchObject({ samples: 5, accepted: 5 });
  });

  test('stand under filters that say something', () => {
    const families = infer([
      ...on('cmnd/plug/POWER', ['ON']),
      ...on('cmnd/lamp/DIMMER', ['10']),
      ...on('zigbee2mqtt/lamp/set', ['{"state":"ON"}']),
      ...on('garage/debug', ['[I] x']),
      ...on('cellar/node/debug', ['[I] x']),
    ]);
    expect(families.map(({ pattern }) => pattern).toSorted()).toEqual([
      'cellar/node/debug',
      'cmnd/#',
      'garage/debug',
      'zigbee2mqtt/lamp/set',
    ]);
  });
});
