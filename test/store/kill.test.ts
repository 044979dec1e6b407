import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openLmdbStore } from '../../gateway/store/lmdb-store.ts';
import type { Store } from '../../gateway/store-contract.ts';
import { pendingLines, testDeps } from '../contracts/store-harness.ts';
import { start, until } from '../support/processes.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { compiled } from './compiled.ts';

const ROUNDS = 6;

describe('a store whose process is killed under load', () => {
  let child = '';
  beforeAll(() => {
    child = compiled('test/store/committing-child.ts');
  });

  it('has everything that was acknowledged, whole groups only, and an account that closes', {
    timeout: 60_000,
  }, async () => {
    const dir = join(temporaryFolder('kill'), 'store');
    let delivered = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const next = round === 0 ? 1 : delivered + 1;
      const running = start(process.execPath, [child, dir, String(next)]);
      await until('it commits', () => running.stdout().includes('ack ') || running.ended() !== null);
      await new Promise((resolve) => setTimeout(resolve, 20 + Math.random() * 250));
      await running.kill('SIGKILL');
      expect(running.stderr()).toBe('');
      const acknowledged = Number(/ack (\d+)\n(?!.*ack)/s.exec(running.stdout())?.[1]);

      const store = await openLmdbStore({ dir, minFreeDiskBytes: 0, maxBytes: 2 ** 26 }, testDeps());
      try {
        const lines = pendingLines(store, 'a');
        expect(lines).toEqual(Array.from({ length: lines.length }, (_, i) => lineOf(next + i)));
        expect(next + lines.length - 1).toBeGreaterThanOrEqual(acknowledged);
        closes(store, next + lines.length - 1);
        const outbox = store.openOutbox('up', { maxBacklogBytes: 2 ** 24, whenFull: 'block' });
        const waiting = outbox.read(null, { maxMessages: 1e6, maxBytes: 1e9 });
        expect(waiting?.messages.map(({ payload }) => Number(payload.toString()))).toEqual(
          lines.map((_, i) => next + i),
        );
        const place = waiting?.through.at(-1);
        if (place !== undefined) await outbox.sent(place);
        expect(outbox.ledger()).toMatchObject({ taken: next + lines.length - 1, pending: 0 });
        delivered += lines.length;
        await store.settle('a', { throughSeq: store.status().lastSeq, written: lines.length, rejected: [] });
      } finally {
        await store.close();
      }
    }
  });
});

function lineOf(number: number): string {
  return `m,device=c${number % 5} v=${number} ${number}\n`;
}

function closes(store: Store, stored: number): void {
  const { total, codes, rejectedReplayed } = store.account();
  expect(total.received).toBe(total.stored + total.rejected);
  expect(total.stored).toBe(stored);
  expect(total.rejected).toBe(codes.invalid);
  expect(store.status().rejectedCount).toBe(codes.invalid);
  const [ledger] = store.sinks();
  expect(ledger?.stored).toBe(stored);
  expect((ledger?.written ?? 0) + (ledger?.pending ?? 0)).toBe(stored);
  // The newest rejection went with the newest group, and so did the newest transfer.
  expect(store.rejections({ limit: 1 })[0]?.payload.toString()).toBe(String(stored));
  expect(store.rejections({ state: 'resolved', limit: 10_000 })).toHaveLength(rejectedReplayed);
  expect(store.status().rejectedOpenCount).toBe(codes.invalid - rejectedReplayed);
  expect(store.document('number')).toBe(String(stored));
  const last = [...store.lastPayloads].map(([, { low }]) => low).sort((a, b) => a - b);
  expect(last).toEqual(Array.from({ length: Math.min(50, stored) }, (_, i) => stored - last.length + 1 + i));
  const identified = [...store.identities].map(({ high }) => high).sort((a, b) => a - b);
  expect(identified.at(-1)).toBe(stored);
  expect(new Set(identified).size).toBe(identified.length);
  expect([...store.transfers].some(({ hashHigh }) => hashHigh === stored)).toBe(true);
}
