/** The demo as a newcomer runs it. */
import { expect, test } from 'vitest';
import { SIMULATOR_MAIN } from '../support/gateway-process.ts';
import { run } from '../support/processes.ts';

test('the demo ends by itself, and its account closes', async () => {
  const { code, stdout, stderr } = await run(process.execPath, [SIMULATOR_MAIN, 'demo', '--seconds', '3']);
  expect(code, stdout + stderr).toBe(0);
  expect(stdout).toContain('The account closes');
});
