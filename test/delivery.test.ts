import { describe, expect, it } from 'vitest';
import { GatewayError } from '../gateway/errors.ts';
import type { Decision } from '../gateway/sink-contract.ts';
import { FakeDelivery, lineOf } from './support/fake-delivery.ts';

const WRITTEN: Decision = { kind: 'written' };
const lines = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, i) => lineOf(from + i));

/** Says these in turn, then `written`. */
function inTurn(...decisions: Decision[]): () => Decision {
  return () => decisions.shift() ?? WRITTEN;
}
const retry = (afterMs: number | null = null, reason = 'down'): Decision => ({
  kind: 'retry',
  afterMs,
  reason,
});
const pause = (reason: string): Decision => ({ kind: 'pause', reason });

describe('delivery', () => {
  it('writes in order, settles what it wrote, and goes on behind it', async () => {
    const fake = new FakeDelivery().start();
    fake.add(lines(3));
    fake.add(lines(2, 3));
    await fake.clock.until(() => fake.settledThrough === 2);
    fake.add(lines(1, 5));
    await fake.clock.until(() => fake.settledThrough === 3);
    expect(fake.writes.flatMap((write) => write.lines)).toEqual(lines(6));
    expect(fake.writes.map(({ throughSeq }) => throughSeq)).toEqual([2, 3]);
    expect(fake.written).toBe(6);
    await fake.stop();
    expect(fake.state).toMatchObject({ state: 'stopped', reason: null });
    expect([fake.closed, fake.log.closed]).toEqual([1, true]);
  });

  it('waits for company, but no point longer than its age allows', async () => {
    const fake = new FakeDelivery().start();
    fake.add(lines(10));
    await fake.clock.pass(900);
    expect(fake.writes).toHaveLength(0);
    fake.add(lines(10, 10));
    await fake.clock.pass(101);
    expect(fake.writes.map((write) => write.lines.length)).toEqual([20]);
    await fake.stop();
  });

  it('sends a full batch at once', async () => {
    const fake = new FakeDelivery({ batch: { maxPoints: 100, maxBytes: 1e6, maxAgeMs: 60_000 } }).start();
    for (let i = 0; i < 5; i += 1) fake.add(lines(60, i * 60));
    await fake.clock.pass(0);
    expect(fake.writes.map((write) => write.lines.length)).toEqual([60, 60, 60, 60]);
    await fake.stop();
  });

  it('does not hurry because of groups without points behind those with some', async () => {
    const fake = new FakeDelivery().start();
    fake.add(lines(10));
    fake.add([]);
    await fake.clock.pass(900);
    expect(fake.writes).toHaveLength(0);
    await fake.clock.pass(101);
    expect(fake.writes.map((write) => write.lines.length)).toEqual([10]);
    await fake.stop();
  });

  it('does not wait for ever when the wall clock stepped back', async () => {
    const fake = new FakeDelivery().start();
    fake.log.groups.push({ lines: lines(1), atMs: fake.clock.nowMs() + 86_400_000 });
    fake.loop.wake(1);
    await fake.clock.until(() => fake.settledThrough === 1, 1100);
    await fake.stop();
  });

  it('backs off further each time, with jitter and a cap, and begins anew after success', async () => {
    const fake = new FakeDelivery().start();
    fake.decide = inTurn(...Array.from({ length: 10 }, () => retry()));
    fake.add(lines(1));
    await fake.clock.until(() => fake.settledThrough === 1);
    const waits = fake.clock.sleeps.filter((ms) => ms > 100);
    expect(waits).toEqual([250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000, 15_000]);
    fake.decide = inTurn(retry());
    fake.add(lines(1, 1));
    await fake.clock.until(() => fake.settledThrough === 2);
    expect(fake.clock.sleeps.filter((ms) => ms > 100).at(-1)).toBe(250);
    expect(fake.events.map(({ name }) => name)).toEqual([
      'sink.ready',
      'sink.retrying',
      'sink.recovered',
      'sink.retrying',
      'sink.recovered',
    ]);
    await fake.stop();
  });

  it('keeps to what the server asks: not at once, and not for a year', async () => {
    const fake = new FakeDelivery().start();
    fake.decide = inTurn(retry(7000), retry(0), retry(31_536_000_000));
    fake.add(lines(1));
    await fake.clock.until(() => fake.settledThrough === 1);
    expect(fake.clock.sleeps.filter((ms) => ms !== 100)).toEqual([7000, 600_000]);
    await fake.stop();
  });

  it('pauses loudly, once per reason, keeps everything, and goes on by itself', async () => {
    const fake = new FakeDelivery().start();
    fake.decide = inTurn(pause('wrong token'), pause('wrong token'), pause('no database'));
    fake.add(lines(4));
    await fake.clock.until(() => fake.writes.length === 1);
    expect(fake.state).toMatchObject({ state: 'paused', reason: 'wrong token' });
    await fake.clock.until(() => fake.settledThrough === 1);
    expect(fake.clock.sleeps.filter((ms) => ms > 1000)).toEqual([45_000, 45_000, 45_000]);
    expect(fake.events).toEqual([
      { name: 'sink.ready', reason: undefined },
      { name: 'sink.paused', reason: 'wrong token' },
      { name: 'sink.paused', reason: 'no database' },
      { name: 'sink.recovered', reason: undefined },
    ]);
    expect(fake.written).toBe(4);
    await fake.stop();
  });

  it('sends more after an outage than it tried during it: the batch is read anew', async () => {
    const fake = new FakeDelivery().start();
    fake.decide = inTurn(retry());
    fake.add(lines(1));
    await fake.clock.until(() => fake.writes.length === 1);
    fake.add(lines(9, 1));
    await fake.clock.until(() => fake.settledThrough === 2);
    expect(fake.writes.map((write) => write.lines.length)).toEqual([1, 10]);
    await fake.stop();
  });

  it('opens again until the sink can', async () => {
    const fake = new FakeDelivery();
    let tries = 0;
    fake.opens = () => {
      tries += 1;
      if (tries === 1) throw new GatewayError('sink-unavailable', 'no answer');
      if (tries === 2) throw new GatewayError('optional-missing', 'not installed');
      return null;
    };
    fake.add(lines(1));
    fake.start();
    await fake.clock.until(() => fake.settledThrough === 1);
    expect(fake.events.map(({ name }) => name)).toEqual([
      'sink.retrying',
      'sink.paused',
      'sink.ready',
      'sink.recovered',
    ]);
    await fake.stop();
  });

  it('settles what the sink itself already has, without writing it again', async () => {
    const fake = new FakeDelivery({ batch: { maxPoints: 2, maxBytes: 1e6, maxAgeMs: 0 } });
    fake.opens = () => 3;
    for (let i = 0; i < 5; i += 1) fake.add(lines(2, 2 * i));
    fake.start();
    await fake.clock.until(() => fake.settledThrough === 5);
    expect(fake.writes.flatMap((write) => write.lines)).toEqual(lines(4, 6));
    expect(fake.written).toBe(10);
    await fake.stop();
  });

  it('asks a sink with a cursor after trouble, and writes nothing twice that was written all the same', async () => {
    const fake = new FakeDelivery();
    let own = 0;
    let lost = false;
    fake.opens = () => own;
    fake.decide = (_sent, { throughSeq }) => {
      own = throughSeq ?? own;
      if (lost) return WRITTEN;
      lost = true;
      return retry(null, 'committed, but the answer was lost');
    };
    fake.start();
    fake.add(lines(3));
    await fake.clock.until(() => fake.writes.length === 1);
    fake.add(lines(2, 3));
    await fake.clock.until(() => fake.settledThrough === 2);
    expect(fake.writes.map((write) => write.lines)).toEqual([lines(3), lines(2, 3)]);
    expect(fake.written).toBe(5);
    await fake.stop();
  });

  it('settles again until the store takes it, and never more than once', async () => {
    const fake = new FakeDelivery().start();
    fake.settleError = new Error('store unavailable');
    fake.add(lines(2));
    await fake.clock.until(
      () => fake.events.filter(({ name }) => name === 'delivery.unsettled').length === 3,
    );
    fake.settleError = null;
    await fake.clock.until(() => fake.settlements.length > 0);
    fake.add(lines(2, 2));
    await fake.clock.until(() => fake.settledThrough === 2);
    expect(fake.settlements).toHaveLength(2);
    expect(fake.writes).toHaveLength(2);
    await fake.stop();
  });

  it('settles beside the next write, but one slice at a time, so that a slow store never piles them up', async () => {
    const fake = new FakeDelivery({ batch: { maxPoints: 1, maxBytes: 1e6, maxAgeMs: 0 } });
    let open = (): void => undefined;
    fake.settleGate = new Promise((resolve) => {
      open = resolve;
    });
    for (let i = 0; i < 4; i += 1) fake.add(lines(1, i));
    fake.start();
    await fake.clock.settle();
    expect(fake.writes).toHaveLength(2);
    open();
    await fake.clock.until(() => fake.settledThrough === 4);
    expect(fake.mostSettling).toBe(1);
    expect(fake.settlements.map(({ throughSeq }) => throughSeq)).toEqual([1, 2, 3, 4]);
    await fake.stop();
  });

  it('contains a log that cannot be read, and a sink that breaks its promise', async () => {
    const fake = new FakeDelivery().start();
    let calls = 0;
    fake.decide = () => {
      calls += 1;
      if (calls === 1) throw new Error('oops');
      return WRITTEN;
    };
    fake.add(lines(1));
    await fake.clock.until(() => fake.settledThrough === 1);
    expect(fake.states.some(({ reason }) => reason === 'internal error: oops')).toBe(true);
    await fake.stop();
  });

  describe('when it is stopped', () => {
    it('writes what is there without waiting for its age', async () => {
      const fake = new FakeDelivery().start();
      fake.add(lines(3));
      await fake.clock.settle();
      await fake.stop();
      expect(fake.settledThrough).toBe(1);
      expect(fake.clock.monotonicMs()).toBe(0);
    });

    it('does not wait for a sink in trouble', async () => {
      const fake = new FakeDelivery().start();
      fake.decide = () => retry(60_000);
      fake.add(lines(3));
      await fake.clock.until(() => fake.state?.state === 'retrying');
      const before = fake.clock.monotonicMs();
      await fake.stop();
      expect(fake.clock.monotonicMs()).toBe(before);
      expect(fake.settlements).toEqual([]);
    });

    it('ends a write that hangs at its deadline, and settles nothing of it', async () => {
      const fake = new FakeDelivery().start();
      fake.decide = (_lines, _write, signal) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => resolve(retry()), { once: true });
        });
      fake.add(lines(3));
      await fake.clock.until(() => fake.writes.length === 1);
      const stopped = fake.stop(2000);
      await fake.clock.pass(2001);
      await stopped;
      expect(fake.settlements).toEqual([]);
      expect(fake.state?.state).toBe('stopped');
    });

    it('stops before it ever could open', async () => {
      const fake = new FakeDelivery();
      fake.opens = () => {
        throw new GatewayError('sink-unavailable', 'no answer');
      };
      fake.start();
      await fake.clock.settle();
      await fake.stop();
      expect(fake.state?.state).toBe('stopped');
    });
  });
});
