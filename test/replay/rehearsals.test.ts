import { describe, expect, it } from 'vitest';
import { Rehearsal, Rehearsals } from '../../gateway/replay/rehearsals.ts';

function named(n: number, device = 'd'): Parameters<Rehearsal['isRepeat']>[0] {
  return { device, identity: { high: n, low: 0xffff_ffff - n } };
}

describe('a dry run', () => {
  it('knows each reading that it would have stored, of its device alone', () => {
    const rehearsal = new Rehearsal(false);
    for (let n = 0; n < 1000; n += 1) expect(rehearsal.isRepeat(named(n))).toBe(false);
    for (let n = 0; n < 1000; n += 1) expect(rehearsal.isRepeat(named(n))).toBe(true);
    expect(rehearsal.isRepeat(named(1, 'e'))).toBe(false);
    expect(rehearsal.isPartial).toBe(false);
  });

  it('takes no reading without an identity for a repeat', () => {
    const rehearsal = new Rehearsal(false);
    for (let n = 0; n < 3; n += 1) expect(rehearsal.isRepeat({ device: 'd', identity: null })).toBe(false);
  });

  it('remembers so many and no more, and then says that it is not sure', () => {
    const rehearsal = new Rehearsal(false, 3);
    for (let n = 0; n < 3; n += 1) rehearsal.isRepeat(named(n));
    expect(rehearsal.isRepeat(named(0))).toBe(true);
    expect(rehearsal.isPartial).toBe(false);
    expect(rehearsal.isRepeat(named(3))).toBe(false);
    expect(rehearsal.isPartial).toBe(true);
    expect(rehearsal.isRepeat(named(3))).toBe(false);
  });
});

describe('the dry runs under way', () => {
  it('are few: the one used longest ago goes, and its next page says that it is not sure', () => {
    const rehearsals = new Rehearsals({ monotonicMs: () => 0 }, 1000);
    const first = rehearsals.take('0', null);
    for (const run of ['1', '2', '3']) rehearsals.take(run, null);
    expect(rehearsals.take('0', 'p2')).toBe(first);
    rehearsals.take('4', null);
    expect(rehearsals.take('0', 'p3')).toBe(first);
    expect(rehearsals.take('1', 'p2').isPartial).toBe(true);
    rehearsals.end('0');
    expect(rehearsals.take('0', 'p4')).not.toBe(first);
  });
});
