import { describe, expect, test } from 'vitest';
import { forwardsText, sinksText } from '../../gateway/commands/sinks.ts';
import type { ForwardReport } from '../../gateway/operations-contract.ts';
import { SINK } from './fake-operations.ts';

const FORWARD: ForwardReport = {
  ...{ name: 'gone', taken: 2, sent: 2, dropped: 0, pending: 0, pendingBytes: 0, oldestPendingMs: null },
  ...{ configured: false, url: null, state: null, reason: null, lastSentMs: null },
};

describe('what is no longer configured, and has nothing', () => {
  test('is listed; of a forward nothing more is said, of a sink what it will do to readings that come', () => {
    const forwards = forwardsText([FORWARD], 0);
    expect(forwards).toMatch(/^gone +not configured +2 +0 +0/m);
    expect(forwards).not.toContain('forget');
    const sink = { ...SINK, name: 'old', configured: false, pending: 0, reason: null };
    expect(sinksText([sink], 0)).toContain('old is no longer configured and will hold back what comes:');
    expect(forwardsText([{ ...FORWARD, pending: 1 }], 0)).toContain('keeps 1 messages');
  });
});
