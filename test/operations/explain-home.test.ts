import { describe, expect, it } from 'vitest';
import { systemClock } from '../../gateway/clocks/clock.ts';
import type { Message } from '../../gateway/contracts.ts';
import { createFormats } from '../../gateway/formats/formats.ts';
import { createHomes } from '../../gateway/ingest/homes.ts';
import { createInterpret } from '../../gateway/ingest/interpret.ts';
import type { ClockPolicy } from '../../gateway/ledger-contract.ts';
import { explain } from '../../gateway/operations/explain.ts';
import type { ExplainedHome } from '../../gateway/operations-contract.ts';
import { arrival, NOW_MS, readingsOf, schema } from '../readings/under-test.ts';
import { messageOn } from '../support/message.ts';

const READ = { temperature: 1, seq: 7, ts: NOW_MS - 1_000, age: 5 };
const interpret = createInterpret({ formats: createFormats(), maxPayloadBytes: 10_000 });
const homes = createHomes(
  { name: 'attic', others: [{ name: 'cellar', link: { name: 'peer/cellar' } }] },
  () => false,
);

const time = (clock: ClockPolicy): object => ({ time: { property: 'ts', unit: 'ms', clock } });
const age = { time: { property: 'age', unit: 's', kind: 'age' } };
const identity = { identity: ['seq'] };
const properties = Object.fromEntries(['seq', 'ts', 'age'].map((each) => [each, { type: 'integer' }]));
const topicOf = (home: string): string => {
  for (let i = 0; i < 1_000; i += 1) if (homes?.memberOf(`t/dev-${i}`) === home) return `t/dev-${i}`;
  throw new Error(`no topic has the home ${home}`);
};
const [FOREIGN, OWN] = [topicOf('cellar'), topicOf('attic')];

interface Asked {
  readonly topic?: string;
  readonly peers?: typeof homes;
  readonly unrouted?: 'forward' | 'reject';
  readonly schemas?: readonly object[];
}

/** What `explain` says; checked against what becomes of such a message. */
function homeOf(telemetry: object, payload: unknown, asked: Asked = {}): ExplainedHome | undefined {
  const { topic = FOREIGN, peers = homes, unrouted = 'forward' } = asked;
  const { schemas = [schema({ telemetry, properties, required: ['temperature'] })] } = asked;
  const readings = readingsOf(...schemas);
  const text = payload === undefined ? null : JSON.stringify(payload);
  const { home } = explain(
    {
      topic,
      payloadBase64: text === null ? null : Buffer.from(text).toString('base64'),
      client: 'c',
      format: null,
    },
    {
      ...{ readings, interpret, unrouted, homes: peers, isProvisional: false },
      nearest: () => null,
      ledgers: { judge: () => null },
      clocks: { words: () => null },
      clock: { ...systemClock, nowMs: () => NOW_MS },
    },
  );
  const route = readings.route(topic);
  if (text !== null && (route !== null || unrouted === 'reject')) {
    const relay = { contentType: null, userProperties: new Map(), isShared: true };
    const message: Message = messageOn(topic, text, { source: 'house', client: 'broker/house', relay });
    const goesTo = peers?.homeOf(message, interpret(message, route, arrival, NOW_MS)) ?? null;
    expect(home?.passedOn ?? false, 'as ingest does').toBe(goesTo !== null);
  }
  return home;
}

describe('where a topic is at home', () => {
  it.each<[string, object, unknown, RegExp]>([
    ['an identity', identity, READ, /told by its identity/],
    [
      'an identity and a time that is trusted',
      { ...time('trust'), ...identity },
      READ,
      /told by its identity/,
    ],
    ['a time that is judged (arrival)', time('arrival'), READ, /its time is judged/],
    ['a time that is judged (correct)', time('correct'), READ, /its time is judged/],
    ['a time that is judged (reject)', time('reject'), READ, /its time is judged/],
    ['an age and an identity', { ...age, ...identity }, READ, /told by its identity/],
    ['something wrong', {}, { seq: 1 }, /what is rejected/],
    ['one of a list that is wrong', time('trust'), [READ, { ts: READ.ts }], /what is rejected/],
    ['something wrong, as an empty list', {}, [], /what is rejected/],
  ])('says that what has %s is passed on there, and why', (_, telemetry, payload, why) => {
    expect(homeOf(telemetry, payload)).toEqual({
      ...{ gateway: 'cellar', isHere: false, passedOn: true, why: expect.stringMatching(why) },
    });
  });

  it.each<[string, object, unknown, RegExp]>([
    ['a time of its own', time('trust'), READ, /a time of its own, and comes out as the same point/],
    ['nothing that tells it', {}, READ, /neither an identity nor a time/],
    ['an age alone', age, READ, /neither an identity nor a time/],
    ['not all of its identity', identity, { temperature: 1 }, /neither an identity nor a time/],
    ['more bytes than are taken', identity, { ...READ, note: 'x'.repeat(10_000) }, /too large/],
  ])('says that what has %s stays here, and why', (_, telemetry, payload, why) => {
    expect(homeOf(telemetry, payload)).toEqual({
      ...{ gateway: 'cellar', isHere: false, passedOn: false, why: expect.stringMatching(why) },
    });
  });

  it.each<[string, object, boolean, RegExp]>([
    ['an identity', identity, true, /told by its identity/],
    ['a time that is judged', time('correct'), true, /its time is judged/],
    ['a time of its own', time('trust'), false, /a time of its own/],
    ['an age', age, false, /neither/],
    ['nothing', {}, false, /neither/],
  ])('without a payload goes by the schema: %s', (_, telemetry, passedOn, why) => {
    expect(homeOf(telemetry, undefined)).toMatchObject({ passedOn, why: expect.stringMatching(why) });
  });

  it('without a payload does not know which of several schemas it is for, unless they agree', () => {
    const sharing = (kind: string, telemetry: object): object =>
      schema({
        $id: `${kind}.v1`,
        telemetry: { measurement: kind, select: { kind }, ...telemetry },
        properties: { ...properties, kind: { type: 'string' } },
      });
    const named = sharing('a', identity);
    const asked = (other: object): Asked => ({ schemas: [named, sharing('b', other)] });
    expect(homeOf({}, undefined, asked({}))).toMatchObject({ passedOn: null });
    expect(homeOf({}, undefined, asked(time('correct')))).toMatchObject({ passedOn: true });
    expect(homeOf({}, { ...READ, kind: 'a' }, asked({}))).toMatchObject({ passedOn: true });
    expect(homeOf({}, { ...READ, kind: 'b' }, asked({}))).toMatchObject({ passedOn: false });
  });

  it('is this gateway: nothing is passed on', () => {
    for (const payload of [READ, { seq: 1 }, undefined])
      expect(homeOf(identity, payload, { topic: OWN })).toEqual({
        ...{ gateway: 'attic', isHere: true, passedOn: false, why: 'this gateway is its home' },
      });
  });

  it('matters for what no schema claims only where that is rejected', () => {
    const asked = { topic: FOREIGN, schemas: [schema({ telemetry: { topics: ['other/{device}'] } })] };
    expect(homeOf({}, READ, asked)).toMatchObject({ passedOn: false, why: 'no schema claims this topic' });
    expect(homeOf({}, READ, { ...asked, unrouted: 'reject' })).toMatchObject({ passedOn: true });
  });

  it('is not spoken of without peers', () => {
    expect(homeOf(identity, READ, { peers: null })).toBeUndefined();
    expect(homeOf(identity, undefined, { peers: null })).toBeUndefined();
  });
});
