import { expect, test } from 'vitest';
import { relayOfProperties } from '../../gateway/broker-link/message-properties.ts';
import { liveText } from '../../gateway/commands/live-text.ts';
import { createFormats } from '../../gateway/formats/formats.ts';
import { Traffic } from '../../gateway/infer/traffic.ts';
import { compileReadings } from '../../gateway/readings/compile-readings.ts';
import { compileSchemas } from '../../gateway/readings/load-schemas.ts';
import { liveReport } from '../../gateway/trial/live-report.ts';
import { TrialTally } from '../../gateway/trial/trial-tally.ts';
import { infer, messageOf, stillClock } from '../infer/inference.ts';

function tallyUnder(telemetry: Readonly<Record<string, unknown>>): TrialTally {
  const text = JSON.stringify({
    $id: 'air.v1',
    telemetry: { measurement: 'air', topics: ['air/{device}'], ...telemetry },
    type: 'object',
    required: ['t'],
    properties: { t: { type: 'number', maximum: 50 }, trace: { type: 'string' } },
  });
  const { schemas, problems } = compileSchemas(new Map([['air.v1.json', text]]));
  expect(problems).toEqual([]);
  return new TrialTally(compileReadings(schemas), {
    ...{ formats: createFormats(), clock: stillClock(), maxPayloadBytes: 1_000 },
  });
}

const WATCHED = {
  subscriptions: [{ filter: '#', grantedQos: 0, words: null }],
  ...{ elapsedMs: 1000, heardMs: 1000, reconnected: 0, lost: null, passedOver: 0 },
} as const;
const WHERE = { broker: 'mqtt://b', clientId: 'c', unroutedBecome: 'forwarded' } as const;

test('counts what each schema would store and reject, why, and what none claims', () => {
  const tally = tallyUnder({});
  for (const [topic, payload] of [
    ['air/a', '{"t":1}'],
    ['air/a', '[{"t":1},{"t":99}]'],
    ['air/b', '{"t":77}'],
    ['air/b', 'nonsense'],
    ['other/x', '{"t":1}'],
  ] as const)
    tally.take(messageOf(topic, payload));
  expect(tally.schemas()).toEqual([
    expect.objectContaining({
      schema: 'air.v1',
      topics: 2,
      messages: 4,
      readings: 5,
      stored: 2,
      rejected: 3,
      series: 1,
      trap: null,
    }),
  ]);
  expect(tally.causes().map(({ code, count, example }) => [code, count, example.id])).toEqual([
    ['invalid', 2, 'air/a'],
    ['undecodable', 1, 'air/b'],
  ]);
  expect([tally.unrouted, tally.isRouted('air/zzz'), tally.isRouted('other/x')]).toEqual([1, true, false]);
});

test('a user property is a tag, and one that cannot be read makes the reading invalid', () => {
  const tally = tallyUnder({ tags: ['device', { userProperty: 'site' }] });
  for (const site of ['north', 'south', 'south'])
    tally.take(messageOf('air/a', '{"t":1}', { properties: relayOfProperties([['site', site]]) }));
  expect(tally.schemas()).toMatchObject([{ stored: 3, rejected: 0, series: 2 }]);
  const long = { properties: relayOfProperties([['site', 'x'.repeat(257)]]) };
  tally.take(messageOf('air/a', '{"t":1}', long));
  expect(tally.causes()).toMatchObject([{ code: 'invalid', count: 1 }]);
  tally.take(messageOf('air/a', '{"t":1}'));
  expect(tally.schemas()).toMatchObject([{ stored: 4, rejected: 1, series: 3 }]);
});

test('what is kept of the traffic for drafts has no user properties: their room is counted nowhere', () => {
  const traffic = new Traffic();
  traffic.add(messageOf('t', 'x', { properties: relayOfProperties([['site', 'north']]) }));
  expect(traffic.topics()[0]?.samples).toEqual([messageOf('t', 'x')]);
});

test('a tag that is an id is seen before it makes a million series', () => {
  const trapped = tallyUnder({ tags: ['trace'] });
  const plain = tallyUnder({});
  for (let i = 0; i < 200; i += 1)
    for (const tally of [trapped, plain]) tally.take(messageOf(`air/d${i % 3}`, `{"t":1,"trace":"id-${i}"}`));
  expect(trapped.schemas()[0]).toMatchObject({ series: 200, trap: 'trace' });
  expect(liveReport(WHERE, WATCHED, trapped, []).warnings).toEqual([
    expect.stringContaining('"trace" looks like an id'),
  ]);
  expect(plain.schemas()[0]).toMatchObject({ series: 3, trap: null });
});

test('topics that hold an id of each message are seen too', () => {
  const tally = tallyUnder({});
  const sent = Array.from({ length: 300 }, (_, i) => ({ topic: `jobs/${i}/result`, payload: '{"ok":1}' }));
  for (const { topic, payload } of sent) tally.take(messageOf(topic, payload));
  const report = liveReport(WHERE, WATCHED, tally, infer(sent));
  expect(report.warnings).toEqual([
    expect.stringContaining('nearly every message has a topic of its own (300)'),
  ]);
});

test('what has no payload is no reading, as in the gateway: it clears what the broker keeps', () => {
  const tally = tallyUnder({});
  tally.take(messageOf('air/a', '', { retained: true }));
  tally.take(messageOf('air/a', ''));
  expect([tally.rejected, tally.schemas(), tally.traffic.messages]).toEqual([0, [], 2]);
});

test('what is larger than a payload may be would be rejected', () => {
  const tally = tallyUnder({});
  tally.take(messageOf('air/a', '{"t":1}'.padEnd(1_000)));
  expect(tally.rejected).toBe(0);
  tally.take(messageOf('air/a', '{"t":1}'.padEnd(1_001)));
  expect(tally.causes()).toMatchObject([{ code: 'too-large', count: 1 }]);
});

test('what no schema claims would become of it what the configuration says', () => {
  const tally = tallyUnder({});
  const sent = [{ topic: 'other/x', payload: '{"t":1}' }];
  for (const { topic, payload } of sent) tally.take(messageOf(topic, payload));
  for (const unroutedBecome of ['forwarded', 'rejected'] as const) {
    const report = liveReport({ ...WHERE, unroutedBecome }, WATCHED, tally, infer(sent));
    expect(liveText(report, null)).toContain(`(1 messages; they would be ${unroutedBecome}, not stored)`);
  }
});

test('what the gateway would not take from a broker is counted as such, and drafted for nobody', () => {
  const tally = tallyUnder({});
  const long = `air/${'x'.repeat(1021)}`;
  for (const topic of [long, 'gateway/status', `air${'/x'.repeat(32)}`, 'air/a', '$SYS/uptime'])
    tally.take(messageOf(topic, '{"t":1}'));
  expect([tally.leftOut, tally.rejected, tally.unrouted]).toEqual([3, 0, 1]);
  expect(tally.traffic.topics().map(({ topic }) => topic)).toEqual(['air/a', '$SYS/uptime']);
  const report = liveReport(WHERE, WATCHED, tally, []);
  expect(report).toMatchObject({ messages: 5, leftOut: 3 });
  expect(report.warnings).toEqual([expect.stringMatching(/^3 message\(s\) would be left out: .*1024 bytes/)]);
});

test('a loss is told with the time that was heard, and rates are of that time', () => {
  const tally = tallyUnder({});
  const sent = Array.from({ length: 20 }, () => ({ topic: 'other/x', payload: '{"t":1}' }));
  for (const { topic, payload } of sent) tally.take(messageOf(topic, payload));
  const lost = { atMs: Date.UTC(2026, 2, 1, 12), reason: 'the broker closed the connection' };
  const times = { elapsedMs: 15_000, heardMs: 5_000 };
  const away = liveReport(WHERE, { ...WATCHED, ...times, lost }, tally, infer(sent));
  expect(away).toMatchObject({ seconds: 15, heardSeconds: 5, lost: { at: '2026-03-01T12:00:00.000Z' } });
  expect(away.warnings).toEqual([
    'the connection was lost at 2026-03-01T12:00:00.000Z (the broker closed the connection), and is not back since; heard for 5 of 15 s',
  ]);
  expect(liveText(away, null)).toContain(', 4/s\n');
  const back = liveReport(WHERE, { ...WATCHED, ...times, reconnected: 2 }, tally, []);
  expect(back.warnings).toEqual([expect.stringContaining('made again 2 time(s), heard for 5 of 15 s')]);
});

test('messages beyond all measure are told', () => {
  const { warnings } = liveReport(WHERE, { ...WATCHED, passedOver: 2 }, tallyUnder({}), []);
  expect(warnings).toContainEqual(expect.stringMatching(/^2 message\(s\) of more than 32 MiB were not read/));
});

test('silence is warned of, and a refused subscription', () => {
  const refused = {
    ...WATCHED,
    subscriptions: [{ filter: 'a/#', grantedQos: null, words: 'not authorised' }],
  };
  expect(liveReport(WHERE, refused, tallyUnder({}), []).warnings).toEqual([
    expect.stringContaining('refused the subscription to a/#: not authorised'),
  ]);
  expect(liveReport(WHERE, WATCHED, tallyUnder({}), []).warnings).toEqual([
    expect.stringContaining('nothing came'),
  ]);
});

test('traffic without end takes a bounded room, and says which bound it met', () => {
  const traffic = new Traffic({
    maxTopics: 10,
    maxSamples: 20,
    maxSamplesPerTopic: 5,
    maxSampleBytes: 1000,
    maxPayloadBytes: 100,
  });
  for (let i = 0; i < 1000; i += 1) traffic.add(messageOf(`t/${i % 20}`, `payload ${i}`));
  traffic.add(messageOf('t/1', 'x'.repeat(101)));
  const topics = traffic.topics();
  expect(topics).toHaveLength(10);
  expect(topics.every(({ samples }) => samples.length >= 1 && samples.length <= 5)).toBe(true);
  expect(topics.reduce((sum, { samples }) => sum + samples.length, 0)).toBeLessThanOrEqual(20);
  expect(traffic.messages).toBe(1001);
  expect(traffic.reached().join()).toMatch(
    /more than 10 topics: 500 messages.*1 payloads of more than 100 bytes are not among the samples.*room for samples/,
  );
});
