import { describe, expect, test } from 'vitest';
import { forgottenText, forwardsText, sinksText } from '../../gateway/commands/sinks.ts';
import type { ForwardReport } from '../../gateway/operations-contract.ts';
import { SINK } from './fake-operations.ts';

const FORWARD: ForwardReport = {
  ...{ name: 'gone', taken: 2, sent: 2, dropped: 0, pending: 0, pendingBytes: 0, oldestPendingMs: null },
  ...{ configured: false, url: null, state: null, reason: null, lastSentMs: null },
};

test.each([
  ['sink', 0, 0, 'forgot old; nothing waited for it\n'],
  ['sink', 1, 17, 'forgot old; 1 point that waited for it is thrown away (17 B)\n'],
  ['sink', 1_234, 5_000, 'forgot old; 1,234 points that waited for it are thrown away (4.9 KiB)\n'],
  ['forward', 1, 17, 'forgot old; 1 message that waited for it is thrown away (17 B)\n'],
  ['forward', 2, 170, 'forgot old; 2 messages that waited for it are thrown away (170 B)\n'],
] as const)('a %s that is forgotten says what it throws away: %i', (kind, pending, pendingBytes, words) => {
  expect(forgottenText({ name: 'old', kind, pending, pendingBytes })).toBe(words);
});

describe('what is no longer configured, and has nothing', () => {
  test('is listed; of a forward nothing more is said, of a sink what it will do to readings that come', () => {
    const forwards = forwardsText([FORWARD], 0);
    expect(forwards).toMatch(/^gone +not configured +2 +2 +0 +0/m);
    expect(forwards).not.toContain('forget');
    const sink = { ...SINK, name: 'old', configured: false, pending: 0, reason: null };
    expect(sinksText([sink], 0)).toContain('old is no longer configured and will hold back what comes:');
    expect(forwardsText([{ ...FORWARD, pending: 1 }], 0)).toContain('keeps 1 messages');
  });
});
