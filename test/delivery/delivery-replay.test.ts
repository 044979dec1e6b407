import { describe, expect, it } from 'vitest';
import type { Decision } from '../../gateway/sink-contract.ts';
import { FakeDelivery, lineOf } from '../support/fake-delivery.ts';

const WRITTEN: Decision = { kind: 'written' };
const lines = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, i) => lineOf(from + i));
const bytes = (some: readonly string[]): Buffer => Buffer.from(some.join(''));

describe('lines that a sink once refused', () => {
  it('are written to it as a part of no slice, and settle nothing', async () => {
    const fake = new FakeDelivery().start();
    await fake.clock.settle();
    expect(await fake.loop.replay(bytes(lines(3)))).toEqual({ written: 3, refused: [] });
    expect(fake.writes).toEqual([{ lines: lines(3), throughSeq: null }]);
    expect(fake.settlements).toEqual([]);
    fake.add(lines(2, 3));
    await fake.clock.until(() => fake.settledThrough === 1);
    expect(fake.written).toBe(2);
    await fake.stop();
  });

  it('wait for the slice that is being written: there is one write at a time', async () => {
    const fake = new FakeDelivery().start();
    let goOn: (decision: Decision) => void = () => undefined;
    let writing = 0;
    let mostWriting = 0;
    fake.decide = async (_, { throughSeq }) => {
      writing += 1;
      mostWriting = Math.max(mostWriting, writing);
      const decision =
        throughSeq === null
          ? WRITTEN
          : await new Promise<Decision>((resolve) => {
              goOn = resolve;
            });
      writing -= 1;
      return decision;
    };
    fake.add(lines(2));
    await fake.clock.until(() => fake.writes.length === 1);
    const replayed = fake.loop.replay(bytes(lines(1, 9)));
    expect(await fake.loop.replay(bytes(lines(1, 8)))).toEqual({ error: 'another replay is under way' });
    await fake.clock.settle();
    expect(fake.writes).toHaveLength(1);
    goOn(WRITTEN);
    expect(await replayed).toEqual({ written: 1, refused: [] });
    expect(mostWriting).toBe(1);
    await fake.stop();
  });

  it('that it refuses again are told by their places, each with its words', async () => {
    const fake = new FakeDelivery().start();
    const bad = lineOf(2);
    fake.decide = (some) =>
      some.includes(bad)
        ? { kind: 'isolate', reason: 'field type conflict', badLines: null, conflict: null }
        : WRITTEN;
    await fake.clock.settle();
    expect(await fake.loop.replay(bytes(lines(5)))).toEqual({
      ...{ written: 4, refused: [{ index: 2, words: 'field type conflict' }] },
    });
    expect(fake.events.map(({ name }) => name)).not.toContain('sink.refused');
    await fake.stop();
  });

  it('do not wait for a sink in trouble, and do not put it into trouble', async () => {
    const fake = new FakeDelivery().start();
    await fake.clock.settle();
    fake.decide = () => ({ kind: 'retry', afterMs: null, reason: 'connection refused' });
    expect(await fake.loop.replay(bytes(lines(1)))).toEqual({ error: 'connection refused' });
    fake.decide = () => ({ kind: 'pause', reason: 'wrong token' });
    expect(await fake.loop.replay(bytes(lines(1)))).toEqual({ error: 'wrong token' });
    expect(fake.clock.sleeps.filter((ms) => ms > 100)).toEqual([]);
    fake.add(lines(1));
    await fake.clock.until(() => fake.writes.length === 3);
    expect(await fake.loop.replay(bytes(lines(1)))).toEqual({ error: 'the sink is paused: wrong token' });
    await fake.stop();
    expect(await fake.loop.replay(bytes(lines(1)))).toEqual({ error: 'the gateway is stopping' });
  });

  it('that wait when the sink gets into trouble, or the gateway stops, are answered then', async () => {
    const fake = new FakeDelivery().start();
    const decisions: Decision[] = [{ kind: 'retry', afterMs: null, reason: 'away' }];
    let goOn: () => void = () => undefined;
    fake.decide = async () => {
      await new Promise<void>((resolve) => {
        goOn = resolve;
      });
      return decisions.shift() ?? WRITTEN;
    };
    fake.add(lines(1));
    await fake.clock.until(() => fake.writes.length === 1);
    const replayed = fake.loop.replay(bytes(lines(1, 9)));
    goOn();
    expect(await replayed).toEqual({ error: 'the sink is retrying: away' });
    await fake.clock.until(() => fake.writes.length === 2);
    const last = fake.loop.replay(bytes(lines(1, 9)));
    const stopped = fake.stop();
    expect(await last).toHaveProperty('error');
    goOn();
    await stopped;
  });
});
