import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../gateway/clocks/clock.ts';
import { createLiveReadings, type LiveReadings } from '../../gateway/readings/live-readings.ts';
import { compileSchemas, loadReadings } from '../../gateway/readings/load-schemas.ts';
import { shareProblems } from '../../gateway/readings/sender-unknown.ts';
import { TickCounter } from '../../gateway/readings/tick-counter.ts';
import { ToldEvents } from '../ledgers/fake-store.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { schema } from './under-test.ts';

const open: LiveReadings[] = [];
afterEach(() => {
  for (const readings of open.splice(0)) readings.close();
});

const properties = { seq: { type: 'integer' }, ts: { type: 'integer' } };
const time = { property: 'ts', unit: 'ms' };
const identity = ['seq'];
const textOf = (telemetry: object, $id = 'env.v1'): string =>
  JSON.stringify(schema({ $id, telemetry, properties }), null, 2);

describe('a schema whose repeats only the gateway knows that has the first', () => {
  it('is told of at its place, with what to do', () => {
    const { schemas } = compileSchemas(new Map([['a.json', textOf({ identity })]]));
    expect(shareProblems(schemas)).toMatchObject([
      {
        file: 'a.json',
        line: 9,
        pointer: '/telemetry/identity',
        message: expect.stringContaining('`peers:`'),
      },
    ]);
  });

  it.each<[string, object, number]>([
    ['the time of arrival and an identity', { identity }, 1],
    ['an age and an identity', { identity, time: { property: 'ts', unit: 's', kind: 'age' } }, 1],
    ['a clock that is judged, and an identity', { identity, time: { ...time, clock: 'correct' } }, 1],
    ['a time of its own, which is trusted, and an identity', { identity, time }, 1],
    ['no identity', {}, 0],
  ])('with %s: %j, told %i times', (_, telemetry, found) => {
    const { schemas, problems } = compileSchemas(new Map([['a.json', textOf(telemetry)]]));
    expect(problems).toEqual([]);
    expect(shareProblems(schemas)).toHaveLength(found);
  });

  it('is a note of `check` where the gateway shares alone, and stands in no way', () => {
    const dir = temporaryFolder('schemas');
    writeFileSync(join(dir, 'env.json'), textOf({ identity }));
    for (const sharesAlone of [false, true]) {
      const { notes, problems, schemas } = loadReadings(dir, { sharesAlone });
      expect([problems, schemas]).toEqual([[], ['env.v1']]);
      expect(notes.filter(({ pointer }) => pointer === '/telemetry/identity')).toHaveLength(
        sharesAlone ? 1 : 0,
      );
    }
  });

  it('is a line of the log where the gateway shares alone, once for each text', async () => {
    for (const sharesAlone of [false, true]) {
      const dir = temporaryFolder('schemas');
      const events = new ToldEvents();
      writeFileSync(join(dir, 'env.json'), textOf({ identity, measurement: 'one' }));
      writeFileSync(join(dir, 'other.json'), textOf({ time, topics: ['o/{device}'] }, 'other.v1'));
      const readings = await createLiveReadings({
        ...{ dir, events, clock: systemClock, sharesAlone, ticks: new TickCounter({ fresh: true }) },
        documents: { get: () => null, set: async () => undefined, change: async () => undefined },
      });
      open.push(readings);
      await readings.reload();
      expect(events.count('schema.shared-alone')).toBe(sharesAlone ? 1 : 0);
      writeFileSync(join(dir, 'env.json'), textOf({ identity, measurement: 'two' }));
      await readings.reload();
      const told = events.told.filter(({ name }) => name === 'schema.shared-alone');
      expect(told).toHaveLength(sharesAlone ? 2 : 0);
      for (const { fields } of told)
        expect(fields.problem).toMatch(/^env\.json:\d+:\d+ \/telemetry\/identity /);
    }
  });
});
