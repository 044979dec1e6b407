import { describe, expect, test } from 'vitest';
import type { SinkConfig } from '../../gateway/config/gateway-config.ts';
import type { EventName } from '../../gateway/monitoring/events.ts';
import type { FieldTypes } from '../../gateway/sinks/influxdb-field-types.ts';
import { type FieldTypesWatch, watchFieldTypes } from '../../gateway/wiring/field-types-watch.ts';
import { influxSink } from '../support/influx-sink.ts';
import { LeapingClock } from '../support/leaping-clock.ts';

const INFLUX = influxSink('http://127.0.0.1:1', { version: 1 });
const EMBEDDED: SinkConfig = { type: 'embedded', name: 'embedded', maxBytes: null, maxAgeMs: null };
const TYPES: FieldTypes = new Map([['air', new Map([['t', ['float' as const]]])]]);
const CONFLICT = 'partial write: field type conflict: input field "t" on measurement "air" is type integer';

interface World {
  readonly clock: LeapingClock;
  readonly watch: FieldTypesWatch;
  readonly asked: string[];
  readonly learned: (readonly [string, FieldTypes])[];
  readonly passedOn: EventName[];
  answer: () => Promise<FieldTypes | null>;
}

async function watching(body: (world: World) => Promise<void>): Promise<void> {
  const clock = new LeapingClock();
  const [asked, learned, passedOn]: [string[], [string, FieldTypes][], EventName[]] = [[], [], []];
  const watch = watchFieldTypes({
    sinks: [EMBEDDED, INFLUX, { ...INFLUX, name: 'other' }],
    clock,
    events: { emit: (name) => void passedOn.push(name) },
    learn: (sink, types) => void learned.push([sink, types]),
    read: async ({ name }) => {
      asked.push(name);
      return await world.answer();
    },
  });
  const world: World = { clock, watch, asked, learned, passedOn, answer: async () => TYPES };
  await body(world);
  await watch.stop();
}

describe('a database is asked for its field types', () => {
  test('when its sink is ready, and not before; what the others say is passed on', async () => {
    await watching(async ({ clock, watch, asked, learned, passedOn }) => {
      await clock.settle();
      watch.events.emit('mqtt.listening', { host: 'x', port: 1 });
      watch.events.emit('sink.ready', { sink: 'embedded' });
      watch.events.emit('sink.retrying', { sink: 'influx', reason: 'x' });
      await clock.settle();
      expect(asked).toEqual([]);
      watch.events.emit('sink.ready', { sink: 'influx' });
      await clock.settle();
      expect(asked).toEqual(['influx']);
      expect(learned).toEqual([['influx', TYPES]]);
      expect(passedOn).toEqual(['mqtt.listening', 'sink.ready', 'sink.retrying', 'sink.ready']);
    });
  });

  test('every hour from then on', async () => {
    await watching(async ({ clock, watch, asked }) => {
      watch.events.emit('sink.ready', { sink: 'influx' });
      await clock.until(() => asked.length === 4, 4 * 3_600_000);
      expect(clock.monotonicMs()).toBeGreaterThan(3 * 3_600_000 - 1);
    });
  });

  test('when it recovers, and when it refuses a point for its type, but not for anything else', async () => {
    await watching(async ({ clock, watch, asked }) => {
      watch.events.emit('sink.ready', { sink: 'influx' });
      await clock.pass(60_000);
      watch.events.emit('sink.recovered', { sink: 'influx' });
      await clock.pass(60_000);
      watch.events.emit('sink.refused', {
        sink: 'influx',
        points: 1,
        words: 'points beyond retention policy',
      });
      await clock.pass(60_000);
      expect(asked).toHaveLength(2);
      watch.events.emit('sink.refused', { sink: 'influx', points: 1, words: CONFLICT });
      await clock.pass(60_000);
      expect(asked).toHaveLength(3);
    });
  });

  test('at most once in ten seconds, and once for what came meanwhile', async () => {
    await watching(async ({ clock, watch, asked }) => {
      for (let i = 0; i < 100; i += 1) {
        watch.events.emit('sink.refused', { sink: 'influx', points: 1, words: CONFLICT });
        await clock.settle();
      }
      expect(asked).toHaveLength(1);
      await clock.pass(9_000);
      expect(asked).toHaveLength(1);
      await clock.pass(2_000);
      expect(asked).toHaveLength(2);
      await clock.pass(60_000);
      expect(asked).toHaveLength(2);
    });
  });

  test('again where it could not tell, or the question failed; nothing is learned of that', async () => {
    await watching(async (world) => {
      const { clock, watch, asked, learned, passedOn } = world;
      world.answer = async () => null;
      watch.events.emit('sink.ready', { sink: 'influx' });
      await clock.pass(60_000);
      world.answer = async () => Promise.reject(new Error('oops'));
      watch.events.emit('sink.recovered', { sink: 'influx' });
      await clock.pass(60_000);
      expect(passedOn).toContain('hook.failed');
      expect(learned).toEqual([]);
      world.answer = async () => TYPES;
      await clock.until(() => learned.length === 1);
      expect(asked).toHaveLength(3);
    });
  });

  test('no more after the end, and an answer that is late is not learned', async () => {
    let give: (types: FieldTypes) => void = () => undefined;
    await watching(async (world) => {
      const { clock, watch, asked, learned } = world;
      world.answer = () => new Promise((resolve) => (give = resolve));
      watch.events.emit('sink.ready', { sink: 'influx' });
      await clock.settle();
      const stopped = watch.stop();
      give(TYPES);
      await stopped;
      watch.events.emit('sink.recovered', { sink: 'influx' });
      await clock.settle();
      expect([asked, learned]).toEqual([['influx'], []]);
    });
  });
});
