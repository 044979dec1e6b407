/** What every sink promises (`Sink` in contracts.ts), run on each of them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Sink } from '../../gateway/sink-contract.ts';

export interface SinkUnderTest {
  sink(): Sink;
  /** How many points of the measurement are there. */
  count(measurement: string): Promise<number>;
  /** Makes what is behind it go away, and come back. Left out: nothing is behind it. */
  readonly outage?: { begin(): Promise<void>; end(): Promise<void> };
  /** It keeps its own cursor. */
  readonly ownCursor: boolean;
}

const STORE = 'store-of-the-suite';

export function describeSink(name: string, make: () => Promise<SinkUnderTest>): void {
  describe(`the promises of a sink: ${name}`, () => {
    const never = new AbortController().signal;
    let under: SinkUnderTest;
    let sink: Sink;

    beforeAll(async () => {
      under = await make();
      sink = under.sink();
      await sink.open(STORE, 1_000_000, never);
    }, 30_000);
    afterAll(async () => {
      await sink.close();
    });

    it('has what it called written', async () => {
      expect(await sink.write(points('there', 500), 1, never)).toEqual({ kind: 'written' });
      expect(await under.count('there')).toBe(500);
    });

    it('keeps one copy of lines that are written again', async () => {
      const lines = points('again', 300);
      expect(await sink.write(lines, 2, never)).toEqual({ kind: 'written' });
      expect(await sink.write(lines, 2, never)).toEqual({ kind: 'written' });
      expect(await under.count('again')).toBe(300);
    });

    it('opens again after it was closed, and goes on', async () => {
      await sink.close();
      sink = under.sink();
      expect(await sink.open(STORE, 1_000_000, never)).toBe(under.ownCursor ? 2 : null);
      expect(await sink.write(points('reopened', 10), 3, never)).toEqual({ kind: 'written' });
      expect(await under.count('reopened')).toBe(10);
    });

    it('knows nothing of another store', async () => {
      await sink.close();
      sink = under.sink();
      expect(await sink.open('another-store', 1_000_000, never)).toBeNull();
      expect(await sink.write(points('other', 5), 1, never)).toEqual({ kind: 'written' });
      expect(await under.count('other')).toBe(5);
      expect(await under.count('there')).toBe(500);
    });

    it('does not reject when what is behind it goes away, and takes writes when it is back', async () => {
      if (under.outage === undefined) return;
      await under.outage.begin();
      expect(await sink.write(points('outage', 3), 4, never)).toMatchObject({ kind: 'retry' });
      await under.outage.end();
      expect(await sink.write(points('outage', 3), 4, never)).toEqual({ kind: 'written' });
      expect(await under.count('outage')).toBe(3);
    });

    it('does not reject when it is told to stop', async () => {
      const stopped = AbortSignal.abort();
      const decision = await sink.write(points('stopped', 1), 5, stopped);
      expect(['written', 'retry']).toContain(decision.kind);
    });
  });
}

/** `count` lines that differ in time by a millisecond. */
export function points(measurement: string, count: number): Buffer {
  let text = '';
  for (let i = 0; i < count; i += 1) {
    text += `${measurement},device=d${i % 7} value=${i}.5,n=${i}i ${1_700_000_000_000 + i}000000\n`;
  }
  return Buffer.from(text);
}
