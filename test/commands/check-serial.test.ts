import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkSerial } from '../../gateway/commands/check-serial.ts';
import { realParts } from '../../gateway/commands/real-parts.ts';
import { parseConfig } from '../../gateway/config/load-config.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const dir = temporaryFolder('check');

function check(entries: string) {
  const config = parseConfig(`serial:\n${entries}`, {
    file: join(dir, 'gateway.yaml'),
    cwd: dir,
    environment: {},
  });
  return checkSerial(config, realParts);
}

test('where no port is configured there is nothing to say', () => {
  expect(check('')).toBeNull();
});

test('a port that is not there is no problem', () => {
  expect(check('  - { path: ./none, name: shed, topic: "sensors/{device}/environment" }')).toMatchObject({
    ok: true,
    detail: 'shed: not there, it is waited for',
  });
});

test('a topic that no schema claims is one: its readings would not be stored', () => {
  const found = check('  - { path: ./none, name: shed, topic: "nowhere/{device}" }');
  expect(found).toMatchObject({ ok: false });
  expect(found?.detail).toContain('no schema claims its topic nowhere/shed');
});

test('options that make no sense together are said', () => {
  const found = check(
    '  - { path: ./none, name: shed, topic: "sensors/{device}/environment", format: { regex: { pattern: "(" } } }',
  );
  expect(found?.detail).toContain('serial port shed: format:');
});

test('a sensor’s frames that would be read as JSON are one, and the format to write is said', () => {
  const entry = 'path: ./none, name: dust, topic: "sensors/{device}/air-quality", framing: pms5003';
  expect(check(`  - { ${entry} }`)?.detail).toContain('write format: pms5003');
  expect(check(`  - { ${entry}, format: pms5003 }`)).toMatchObject({ ok: true });
});
