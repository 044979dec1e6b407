import { describe, expect, test } from 'vitest';
import type { TopicFamily } from '../../gateway/infer/infer-schemas.ts';
import { draftOf, infer, inferMessages, messageOf, readUnder } from './inference.ts';

interface Message {
  readonly topic: string;
  readonly payload: string;
}

/** Six rounds of each topic, with what `payloads` has for it. */
function rounds(payloads: Readonly<Record<string, unknown>>, n = 6): readonly Message[] {
  return Array.from({ length: n }, () =>
    Object.entries(payloads).map(([topic, payload]) => ({
      topic,
      payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
    })),
  ).flat();
}

function patternsOf(families: readonly TopicFamily[]): readonly string[] {
  return families.filter(({ draft }) => draft !== null).map(({ pattern }) => pattern);
}

/** Each family has a draft, and that takes the samples of its own topics and of no others. */
function expectNoneInTheWay(families: readonly TopicFamily[]): void {
  for (const { pattern, topics, why, trial } of families) {
    expect(why, pattern).toBeNull();
    expect(trial, pattern).toMatchObject({ problems: [], exceptions: [], matchedTopics: topics.length });
  }
}

describe('a draft takes no topics of its neighbours', () => {
  test('where a station sends one document beside bare values', () => {
    const families = infer(
      rounds({
        'weather/loop': { outTemp_C: '5.36', outHumidity: '81' },
        'weather/outTemp_C': '5.3',
        'weather/outHumidity': '81.0',
      }),
    );
    expectNoneInTheWay(families);
    expect(patternsOf(families)).toEqual(['{device}/{field}', '{device}/loop']);
    expect(readUnder(families, [messageOf('weather/outTemp_C', '4.9')])[0]).toMatch(/outTemp_C=4.9/);
  });

  test('where an entity of every kind has a state, and some are numbers', () => {
    const entity = (path: string, state: string): Readonly<Record<string, unknown>> => ({
      [`homeassistant/${path}/state`]: state,
      [`homeassistant/${path}/friendly_name`]: `"${path}"`,
      [`homeassistant/${path}/last_changed`]: '"2026-03-01T12:00:00.281123+00:00"',
    });
    const families = infer(
      rounds({
        ...entity('sensor/aussen', '5.1'),
        ...entity('sensor/innen', '21.5'),
        ...entity('sun/sun', 'above_horizon'),
        ...entity('person/anna', 'home'),
        ...entity('person/ben', 'home'),
        ...entity('weather/home', 'rainy'),
      }),
    );
    expectNoneInTheWay(families);
    expect(draftOf(families, '{device}/sensor/{field}/state').properties).toMatchObject({
      aussen: { type: 'number' },
    });
    expect(patternsOf(families)).toContain('homeassistant/person/{device}/{field}');
  });

  test('where a gateway sends documents and its own state under one name', () => {
    const families = infer(
      rounds({
        'home/OMG/SYStoMQTT': { uptime: 100, freemem: 1200, rssi: -60 },
        'home/OMG/433toMQTT': { value: 5592405, protocol: 1, length: 24 },
        'home/OMG/LWT': 'online',
        'home/OMG/version': 'v1.7.0',
      }),
    );
    expectNoneInTheWay(families);
    expect(patternsOf(families).toSorted()).toEqual([
      'home/{device}/433toMQTT',
      'home/{device}/SYStoMQTT',
      'home/{device}/{field}',
    ]);
  });

  test('where what is sent of things stands beside what is sent of their gateway', () => {
    const gateway = 'ruuvi/AA:BB:CC:00:11:22';
    const families = infer(
      rounds({
        [`${gateway}/C4:01:02:03:04:05`]: { gw_mac: 'AA:BB:CC:00:11:22', rssi: -84, temperature: 4.5 },
        [`${gateway}/D1:22:33:44:55:66`]: { gw_mac: 'AA:BB:CC:00:11:22', rssi: -80, temperature: 5.5 },
        [`${gateway}/gw_status`]: { state: 'online' },
      }),
    );
    expectNoneInTheWay(families);
    expect(patternsOf(families)).toEqual(['ruuvi/{ruuvi}/{device}', 'ruuvi/{device}/gw_status']);
  });

  test('where values of one form stand beside a line of another', () => {
    const families = infer(
      rounds({
        'ebusd/bai/FlowTemp': '45.5;ok',
        'ebusd/bai/ReturnTemp': '40.5;ok',
        'ebusd/bai/Status01': '38.7;35.2;-;32.7;-;off',
      }),
    );
    expectNoneInTheWay(families);
  });

  test('but for devices that are alike: they stay together, and what becomes of the neighbour is told', () => {
    const body = { t: 1, h: 2 };
    const families = infer(
      rounds({ 'esp/kitchen': body, 'esp/attic': body, 'esp/cellar': body, 'esp/status': 'online' }),
    );
    expect(families.map(({ pattern, why }) => [pattern, why])).toEqual([
      ['esp/{device}', null],
      [
        '{device}/{field}',
        'another pattern goes first on these topics; the draft esp.v1 claims these topics too, and would reject 6 of 6 samples',
      ],
    ]);
  });
});

describe('different systems', () => {
  test('are not one family for one name that both have', () => {
    const families = infer(
      rounds({
        'scan/station1': { barcode: '4064', user: 'ben', ok: true, weight: 1.5, room: 'hall' },
        'scan/station2': { barcode: '4065', user: 'ben', ok: true, weight: 1.5, room: 'hall' },
        'presence/3dfca8d5f8': { rssi: -80, room: 'bath' },
        'presence/c4d6998d3b': { rssi: -80, room: 'bath' },
      }),
    );
    expect(patternsOf(families)).toEqual(['scan/{device}', 'presence/{device}']);
  });

  test('are not one family where their times have different names', () => {
    const of = (kind: string, payload: unknown) =>
      ['a1', 'a2', 'a3'].map((device): [string, unknown] => [`epoch/${kind}/${device}`, payload]);
    const families = infer(
      rounds(
        Object.fromEntries([
          ...of('s', { ts: 1_772_366_400, temp: 21.5 }),
          ...of('iso', { timestamp: '2026-03-01T12:00:00Z', temp: 21.5 }),
          ...of('both', { measured_at: '2026-03-01T12:00:00Z', temp: 21.5 }),
        ]),
      ),
    );
    expect(patternsOf(families).toSorted()).toEqual([
      'epoch/both/{device}',
      'epoch/iso/{device}',
      'epoch/s/{device}',
    ]);
    for (const { draft } of families)
      expect(JSON.parse(draft?.text ?? '{}').telemetry.time, draft?.topic).toBeDefined();
  });

  test('never share a pattern of captures alone', () => {
    const alike = { v1: 1.5, v2: 2.5 };
    const topics = { 'berlin/a1': alike, 'berlin/b7': alike, 'paris/c3': alike, 'paris/d9': alike };
    const alone = infer(rounds(topics));
    expect(patternsOf(alone)).toEqual(['{group}/{device}']);
    expect(alone[0]?.draft?.notes.join(' ')).toContain('claims every topic of 2 levels');
    const beside = infer(rounds({ ...topics, 'shop/till': { sum: 12.5, items: 3 } }));
    expect(patternsOf(beside).toSorted()).toEqual(['berlin/{device}', 'paris/{device}', 'shop/{device}']);
  });
});

describe('records of one form about values of several types', () => {
  const tag = (v: unknown) => ({ v, q: 192 });

  test('are parted by the name of the value, so that each is stored', () => {
    const families = infer(
      rounds({
        'plc/p1/tags/Druck': tag(1.4),
        'plc/p2/tags/Druck': tag(1.4),
        'plc/p1/tags/Rezept': tag('A'),
        'plc/p2/tags/Rezept': tag('A'),
        'plc/p1/tags/Run': tag(true),
        'plc/p2/tags/Run': tag(true),
      }),
    );
    expectNoneInTheWay(families);
    expect(draftOf(families, 'plc/{device}/tags/Druck').properties.v).toMatchObject({ type: 'number' });
    expect(draftOf(families, 'plc/{device}/tags/Rezept').properties.v).toMatchObject({ type: 'string' });
    expect(draftOf(families, 'plc/{device}/tags/Run').properties.v).toMatchObject({ type: 'boolean' });
  });

  test('get a warning where their names are too many', () => {
    const names = Array.from({ length: 30 }, (_, i) => `T${'abcdef'[i % 6]}${'vwxyz'[i % 5]}x`);
    const families = infer(
      rounds(Object.fromEntries(names.map((name, i) => [`plc/tags/${name}`, tag(i % 2 === 0 ? 1.5 : 'A')]))),
    );
    expect(families).toHaveLength(1);
    expect(families[0]?.warning).toBe(
      'stores q alone: v, which is sometimes a number, sometimes a text, is left out',
    );
  });

  test('say nothing of a topic on which nothing but null was seen', () => {
    const families = infer(
      rounds({
        'N/c0619ab12345/battery/512/CustomName': { value: 'Pylon' },
        'N/c0619ab12345/battery/512/TimeToGo': { value: null },
      }),
    );
    expect(patternsOf(families)).toEqual(['N/{device}/battery/512/CustomName']);
    expect(readUnder(families, [messageOf('N/c0619ab12345/battery/512/TimeToGo', '{"value":3600}')])).toEqual(
      ['unrouted'],
    );
  });

  test('stay together where they differ in whether they hold something at all', () => {
    const body = { temperature: 21.5, humidity: 40, battery: 80 };
    const families = infer(rounds({ 'z/bad': { ...body, battery: null }, 'z/flur': body, 'z/keller': body }));
    expect(patternsOf(families)).toEqual(['z/{device}']);
    expect(families[0]?.warning).toBeNull();
  });
});

describe('the device', () => {
  test('is the serial number of an installation, and not the number of a part in it', () => {
    const families = infer(rounds({ 'N/c0619ab12345/battery/512/Soc': { value: 88 } }));
    expect(patternsOf(families)).toEqual(['N/{device}/battery/512/Soc']);
  });

  test('and no serial number is the name of a tag', () => {
    const families = infer(
      rounds({
        'N/c0619ab12345/a/x1/Soc': { value: 88 },
        'N/c0619ab12345/b/x1/Soc': { value: 88 },
        'N/c0619ab12345/a/x2/Soc': { value: 88 },
        'N/c0619ab12345/b/x2/Soc': { value: 88 },
      }),
    );
    for (const pattern of patternsOf(families)) expect(pattern).not.toContain('{c0619ab12345}');
  });
});

describe('topics that each came once', () => {
  const jobs = Array.from({ length: 12 }, (_, i) => `jobs/4b31957${i}-5c3a-4900-9bef-a23bc12b17c5/status`);
  const payload = JSON.stringify({ progress: 25, state: 'run' });
  const notes = (families: readonly TopicFamily[]): string => families[0]?.draft?.notes.join(' ') ?? '';

  test('get a note: they may make a series for each message', () => {
    const families = infer(jobs.map((topic) => ({ topic, payload })));
    expect(notes(families)).toContain('makes a series for each message');
    expect(draftOf(families, 'jobs/{device}/status').description).toContain('a series for each message');
  });

  test('get none where some came again, or the broker repeated what it keeps', () => {
    const again = infer([...jobs, jobs[0] ?? ''].map((topic) => ({ topic, payload })));
    expect(notes(again)).not.toContain('a series for each message');
    const kept = inferMessages(jobs.map((topic) => messageOf(topic, payload, { retained: true })));
    expect(notes(kept)).not.toContain('a series for each message');
  });
});

test('what a level that begins with $ says of things is no reading', () => {
  const families = infer(
    rounds({
      'homie/klimabox/$state': 'ready',
      'homie/klimabox/klima/temperature': '21.5',
      'homie/klimabox/klima/temperature/$unit': '°C',
      'homie/klimabox/klima/temperature/$datatype': 'float',
    }),
  );
  expect(patternsOf(families)).toEqual(['homie/klimabox/{device}/{field}']);
  expect(families.filter(({ draft }) => draft === null).map(({ why }) => why)).toEqual([
    expect.stringContaining('begins with $'),
  ]);
});
