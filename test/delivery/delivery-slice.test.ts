import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { requestBudget } from '../../gateway/delivery/delivery-slice.ts';
import type { Decision, FieldConflict } from '../../gateway/sink-contract.ts';
import { FakeDelivery, lineOf } from '../support/fake-delivery.ts';

const WRITTEN: Decision = { kind: 'written' };
const CONFLICT: FieldConflict = { measurement: 'm', field: 'f', type: 'float' };
const CONFLICT_WORDS =
  'field type conflict: input field "f" on measurement "m" is type float, already exists as type integer';

/** As InfluxDB 1 answers: the good lines are in, one conflict is named, and `dropped=N` is not to be believed. */
function named(isBad: (line: string) => boolean): (lines: readonly string[]) => Decision {
  return (lines) =>
    lines.some(isBad)
      ? {
          kind: 'isolate',
          reason: `partial write: ${CONFLICT_WORDS} dropped=${lines.length % 3}`,
          badLines: null,
          conflict: CONFLICT,
        }
      : WRITTEN;
}

/** As a parse error: no line and no field is named. */
function unnamed(isBad: (line: string) => boolean): (lines: readonly string[]) => Decision {
  return (lines) =>
    lines.some(isBad)
      ? { kind: 'isolate', reason: 'unable to parse', badLines: null, conflict: null }
      : WRITTEN;
}

function deliver(lines: readonly string[], decide: FakeDelivery['decide']): FakeDelivery {
  const fake = new FakeDelivery({ batch: { maxPoints: 5000, maxBytes: 1e7, maxAgeMs: 0 } });
  fake.decide = decide;
  fake.add(lines);
  return fake.start();
}

/** Lines with `i=1i`; those at these places with the float that conflicts. */
function withBad(count: number, bad: readonly number[]): string[] {
  const set = new Set(bad);
  return Array.from({ length: count }, (_, i) => lineOf(i, set.has(i) ? 'f=1.5' : 'f=1i'));
}
const isBad = (line: string): boolean => line.includes('f=1.5');

describe('a slice that the sink does not take whole', () => {
  it('loses only its bad lines, each with the words for it, found in few requests by the field that is named', async () => {
    const lines = withBad(5000, [7, 2500, 4999]);
    const fake = deliver(lines, named(isBad));
    await fake.clock.until(() => fake.settledThrough === 1);
    expect(fake.rejected.map(({ line }) => line)).toEqual([lines[7], lines[2500], lines[4999]]);
    for (const { words } of fake.rejected) expect(words).toContain(CONFLICT_WORDS);
    expect(fake.settlements[0]).toMatchObject({
      written: 4997,
      rejected: [{ device: 'd2' }, { device: 'd0' }, { device: 'd4' }],
    });
    // The whole, the rest, and each suspect by itself.
    expect(fake.writes.map((write) => write.lines.length)).toEqual([5000, 4997, 1, 1, 1]);
    expect(fake.writes.map(({ throughSeq }) => throughSeq)).toEqual([1, null, null, null, null]);
    await fake.stop();
  });

  it('frees suspects that are good, as one type may differ between the shards of a database', async () => {
    const lines = withBad(
      1000,
      Array.from({ length: 400 }, (_, i) => i * 2),
    );
    const really = new Set([lines[10], lines[500]]);
    const fake = deliver(
      lines,
      named((line) => really.has(line)),
    );
    await fake.clock.until(() => fake.settledThrough === 1);
    expect(new Set(fake.rejected.map(({ line }) => line))).toEqual(really);
    expect(fake.writes.length).toBeLessThan(120);
    await fake.stop();
  });

  it('finds bad lines without a name by halving', async () => {
    const lines = withBad(2000, [0, 999, 1000, 1999]);
    const fake = deliver(lines, unnamed(isBad));
    await fake.clock.until(() => fake.settledThrough === 1);
    expect(new Set(fake.rejected.map(({ line }) => line))).toEqual(new Set(lines.filter(isBad)));
    expect(fake.writes.length).toBeLessThan(120);
    await fake.stop();
  });

  it('takes the list of a server that has one, and writes the rest', async () => {
    const lines = withBad(100, [3, 50]);
    const fake = deliver(lines, (sent) => {
      const badLines = sent.flatMap((line, index) =>
        isBad(line) ? [{ line: index, words: `words ${index}` }] : [],
      );
      return badLines.length === 0 ? WRITTEN : { kind: 'isolate', reason: 'r', badLines, conflict: null };
    });
    await fake.clock.until(() => fake.settledThrough === 1);
    expect(fake.rejected).toEqual([
      { line: lines[3], words: 'words 3' },
      { line: lines[50], words: 'words 50' },
    ]);
    expect(fake.writes).toHaveLength(2);
    await fake.stop();
  });

  it('is halved until it is small enough', async () => {
    const fake = deliver(withBad(1000, []), (sent) =>
      sent.length > 300 ? { kind: 'halve', reason: '413' } : WRITTEN,
    );
    await fake.clock.until(() => fake.settledThrough === 1);
    expect(fake.writes.map((write) => write.lines.length)).toEqual([1000, 500, 250, 250, 500, 250, 250]);
    expect(fake.written).toBe(1000);
    await fake.stop();
  });

  it('loses a line that is too large by itself', async () => {
    const huge = lineOf(1, `f="${'x'.repeat(2000)}"`);
    const fake = deliver([lineOf(0), huge, lineOf(2)], (sent) =>
      sent.join('').length > 1000 ? { kind: 'halve', reason: 'too large (413)' } : WRITTEN,
    );
    await fake.clock.until(() => fake.settledThrough === 1);
    expect(fake.rejected).toEqual([{ line: huge, words: 'too large (413)' }]);
    expect(fake.written).toBe(2);
    await fake.stop();
  });

  it.each([
    ['named', named],
    ['unnamed', unnamed],
  ])('is kept whole where most of it is refused for one cause: %s', async (_name, decide) => {
    const lines = withBad(
      5000,
      Array.from({ length: 4800 }, (_, i) => i),
    );
    const fake = deliver(lines, decide(isBad));
    await fake.clock.until(() => fake.state?.state === 'paused');
    expect(fake.writes.length).toBeLessThan(150);
    expect(fake.state?.reason).toContain('most lines are refused for one cause');
    // Nothing is settled until the database was put right; then all of it is written.
    await fake.clock.pass(300_000);
    expect(fake.settlements).toEqual([]);
    expect(fake.events.filter(({ name }) => name === 'sink.paused')).toHaveLength(1);
    expect(fake.events.filter(({ name }) => name === 'sink.recovered')).toHaveLength(0);
    fake.decide = () => WRITTEN;
    await fake.clock.until(() => fake.settledThrough === 1);
    expect(fake.written).toBe(5000);
    await fake.stop();
  });

  it('is kept whole where a proxy takes no line at all (413 for each)', async () => {
    const fake = deliver(withBad(2000, []), () => ({ kind: 'halve', reason: '413' }));
    await fake.clock.until(() => fake.state?.state === 'paused');
    expect(fake.writes.length).toBeLessThan(50);
    await fake.stop();
    expect(fake.settlements).toEqual([]);
  });

  it('is kept whole where the bad lines are more than its requests can find', async () => {
    const lines = withBad(
      5000,
      Array.from({ length: 2000 }, (_, i) => 2 * i),
    );
    const fake = deliver(lines, unnamed(isBad));
    await fake.clock.until(() => fake.state?.state === 'paused');
    expect(fake.writes.length).toBeLessThanOrEqual(requestBudget(5000) + 1);
    await fake.stop();
    expect(fake.settlements).toEqual([]);
  });

  it('goes on with the search after trouble in the middle of it', async () => {
    const lines = withBad(200, [20, 120]);
    const answer = unnamed(isBad);
    let requests = 0;
    const fake = deliver(lines, (sent, write, signal) => {
      requests += 1;
      if (requests % 3 === 0) return { kind: 'retry', afterMs: null, reason: 'busy' };
      if (requests % 7 === 0) return { kind: 'pause', reason: 'locked' };
      void write;
      void signal;
      return answer(sent);
    });
    await fake.clock.until(() => fake.settledThrough === 1);
    expect(fake.rejected.map(({ line }) => line)).toEqual(lines.filter(isBad));
    await fake.stop();
  });

  it('ends in exactly one place for each line, however many are bad and whatever is named', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 60 }),
        fc.array(fc.nat(59), { maxLength: 12 }),
        fc.boolean(),
        fc.integer({ min: 1, max: 60 }),
        async (count, bad, isNamed, largest) => {
          const lines = withBad(count, bad);
          const kept = new Set<string>();
          const verdict = (isNamed ? named : unnamed)(isBad);
          const fake = deliver(lines, (sent) => {
            if (sent.length > largest) return { kind: 'halve', reason: '413' };
            for (const line of sent) if (!isBad(line)) kept.add(line);
            return verdict(sent);
          });
          await fake.clock.until(() => fake.settledThrough === 1 || fake.state?.state === 'paused');
          await fake.stop();
          const wrong = lines.filter(isBad);
          if (fake.settlements.length === 0) {
            expect(wrong.length).toBeGreaterThan(count / 2);
            return;
          }
          expect(new Set(fake.rejected.map(({ line }) => line))).toEqual(new Set(wrong));
          expect(fake.rejected).toHaveLength(wrong.length);
          expect(fake.written).toBe(count - wrong.length);
          expect(kept).toEqual(new Set(lines.filter((line) => !isBad(line))));
        },
      ),
      { numRuns: 60 },
    );
  });
});
