import { describe, expect, it } from 'vitest';
import { ReadingTurns } from '../../../gateway/sources/mqtt-broker/reading-turns.ts';

/** Turns of an event loop that go on when told to. */
function heldTurns(): { turns: ReadingTurns; goOn: () => boolean } {
  const due: (() => void)[] = [];
  const turns = new ReadingTurns((callback) => due.push(callback));
  return {
    turns,
    goOn() {
      const callback = due.shift();
      callback?.();
      return callback !== undefined;
    },
  };
}

describe('turns of reading', () => {
  it('read a few at once', () => {
    const { turns } = heldTurns();
    const read: number[] = [];
    for (let i = 0; i < 10; i += 1) turns.take({ pump: () => read.push(i) });
    expect(read).toHaveLength(10);
  });

  it('read no more than 64 of a rush in one turn of the event loop, all of them in order, each once', () => {
    const { turns, goOn } = heldTurns();
    const read: number[] = [];
    for (let i = 0; i < 240; i += 1) turns.take({ pump: () => read.push(i) });
    const after = [read.length];
    while (goOn()) after.push(read.length);
    expect(after.slice(0, 4)).toEqual([64, 128, 192, 240]);
    expect(read).toEqual(Array.from({ length: 240 }, (_, i) => i));
  });

  it('read one that has more in the meantime once, at its place', () => {
    const { turns, goOn } = heldTurns();
    const read: string[] = [];
    const filler = { pump: () => undefined };
    for (let i = 0; i < 64; i += 1) turns.take(filler);
    const [first, second] = ['first', 'second'].map((name) => ({ pump: () => void read.push(name) }));
    if (first === undefined || second === undefined) throw new Error('two were made');
    for (const taker of [first, second, first]) turns.take(taker);
    expect(read).toEqual([]);
    goOn();
    expect(read).toEqual(['first', 'second']);
  });

  it('end when nothing comes any more', () => {
    const { turns, goOn } = heldTurns();
    turns.take({ pump: () => undefined });
    let went = 0;
    while (goOn() && went < 100) went += 1;
    expect(went).toBeLessThan(3);
  });

  it('let one that is read bring itself again, behind the others', () => {
    const { turns, goOn } = heldTurns();
    const read: string[] = [];
    let more = 600;
    const busy = {
      pump(): void {
        read.push('busy');
        more -= 1;
        if (more > 0) turns.take(busy);
      },
    };
    for (let i = 0; i < 64; i += 1) turns.take({ pump: () => undefined });
    turns.take(busy);
    turns.take({ pump: () => void read.push('other') });
    while (goOn());
    expect(read.filter((name) => name === 'busy')).toHaveLength(600);
    expect(read.indexOf('other')).toBe(1);
  });
});
