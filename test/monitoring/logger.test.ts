import { describe, expect, test } from 'vitest';
import { createLogger, type LogOptions } from '../../gateway/monitoring/logger.ts';

function written(options: Partial<LogOptions>): string {
  let text = '';
  const logger = createLogger(
    { level: 'info', format: 'auto', isTerminal: false, ...options },
    {
      write: (line) => {
        text += line;
      },
    },
  );
  logger.debug('too quiet');
  logger.warn({ event: 'x.y', n: 1 }, 'look here');
  return text;
}

describe('the log', () => {
  test('is JSON, one object a line, where no person reads it', () => {
    const lines = written({}).trimEnd().split('\n');
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      level: 'warn',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      event: 'x.y',
      n: 1,
      msg: 'look here',
    });
  });

  test('is words on a terminal, without the fields', () => {
    const text = written({ isTerminal: true });
    expect(text).toMatch(/look here/);
    expect(text).not.toMatch(/x\.y|too quiet/);
    expect(text).toMatch(/^[^\n]+\n$/);
  });

  test('is what was asked for elsewhere', () => {
    expect(written({ format: 'pretty' })).not.toMatch(/^\{/);
    expect(written({ format: 'json', isTerminal: true })).toMatch(/^\{/);
    expect(written({ level: 'error' })).toBe('');
    expect(written({ level: 'debug' })).toMatch(/too quiet/);
  });
});
