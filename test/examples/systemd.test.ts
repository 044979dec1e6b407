import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PACKAGE_ROOT } from '../../gateway/package-root.ts';

const UNIT = 'examples/systemd/telemetry-gateway.service';
const unit = readFileSync(join(PACKAGE_ROOT, UNIT), 'utf8');
const page = readFileSync(join(PACKAGE_ROOT, 'examples/mosquitto/README.md'), 'utf8');

function settingOf(key: string): string {
  return new RegExp(`^${key}=(.*)$`, 'm').exec(unit)?.[1] ?? '';
}

describe('the unit for systemd', () => {
  it('runs what package.json calls telemetry-gateway, where the page has it copied to', () => {
    const { bin } = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8'));
    const [, folder = ''] = /^cp -rT \. (\S+)$/m.exec(page) ?? [];
    expect(settingOf('ExecStart')).toMatch(/^\/usr\/bin\/node /);
    expect(settingOf('ExecStart').split(' ')).toContain(`${folder}/${bin['telemetry-gateway']}`);
    expect(page).toContain(`install -m 0644 ${folder}/${UNIT} /etc/systemd/system/`);
  });

  it('runs as the user and in the folder that the page makes, and may write there', () => {
    const [, home = '', user = ''] = /^useradd .*--home-dir (\S+) .* (\S+)$/m.exec(page) ?? [];
    expect([settingOf('User'), settingOf('Group')]).toEqual([user, user]);
    expect(settingOf('WorkingDirectory')).toBe(home);
    expect(`/var/lib/${settingOf('StateDirectory')}`).toBe(home);
    expect(page).toContain(
      `install -d -o ${user} -g ${user} -m ${settingOf('StateDirectoryMode')} ${home}\n`,
    );
    expect(page).toContain(`install -m 0600 -o ${user} `);
  });

  it('leaves Node.js the memory that it writes and executes', () => {
    expect(settingOf('MemoryDenyWriteExecute')).toBe('');
  });
});
