import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../gateway/clocks/clock.ts';
import { createLiveDevices, type LiveDevices, loadDevices } from '../../gateway/config/live-devices.ts';
import { parseConfig } from '../../gateway/config/load-config.ts';
import type { EventFields, EventName } from '../../gateway/monitoring/events.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const open: LiveDevices[] = [];
afterEach(() => {
  for (const devices of open.splice(0)) devices.close();
});

class Files {
  readonly file: string = join(temporaryFolder('devices'), 'devices.yaml');
  readonly documents = new Map<string, string>();
  readonly told: string[] = [];
  failure: Error | null = null;

  write(text: string): void {
    writeFileSync(`${this.file}.new`, text);
    renameSync(`${this.file}.new`, this.file);
  }

  async start(file: string | null = this.file): Promise<LiveDevices> {
    const devices = await createLiveDevices({
      file,
      documents: {
        get: (name) => this.documents.get(name) ?? null,
        set: (name, text) => {
          if (this.failure !== null) return Promise.reject(this.failure);
          this.documents.set(name, text);
          return Promise.resolve();
        },
      },
      events: {
        emit: (name: EventName, fields: EventFields = {}) =>
          void this.told.push(`${name} ${String(fields.problem ?? fields.count ?? fields.error ?? '')}`),
      },
      clock: systemClock,
      settleMs: 10,
      pollMs: 50,
    });
    open.push(devices);
    return devices;
  }
}

describe('the devices file that is followed', () => {
  test('takes effect when it changes, with a new version', async () => {
    const files = new Files();
    files.write('a:\n  alias: x\n');
    const devices = await files.start();
    expect(devices.of('a')?.alias).toBe('x');
    expect(devices.of('b')).toBeNull();
    const { version } = devices;
    files.write('a:\n  alias: y\n');
    await vi.waitFor(() => expect(devices.of('a')?.alias).toBe('y'), { timeout: 5000, interval: 10 });
    expect(devices.version).toBeGreaterThan(version);
    expect(files.told).toEqual(['devices.changed 1']);
  });

  test('keeps its last good version while it is bad, empty or gone, and says so once', async () => {
    const files = new Files();
    files.write('a:\n  alias: x\n');
    const devices = await files.start();
    const { version } = devices;
    files.write('a:\n  alias: 1\n');
    await devices.reload();
    await devices.reload();
    files.write('# nothing\n');
    await devices.reload();
    rmSync(files.file);
    await devices.reload();
    expect(devices.of('a')?.alias).toBe('x');
    expect(devices.version).toBe(version);
    expect(devices.problems()).toHaveLength(1);
    files.write('a:\n  alias: x\n');
    await devices.reload();
    expect(devices.problems()).toEqual([]);
    expect(files.told).toEqual([
      'devices.problem devices.yaml:2:3 /a/alias must be a text; a number needs quotes, like "2"',
      'devices.problem devices.yaml:1:1 is empty; write {} where nothing is to be said of any device',
      'devices.problem devices.yaml:1:1 cannot be read: it does not exist',
      'devices.mended ',
    ]);
    files.write('{}\n');
    await devices.reload();
    expect(devices.of('a')).toBeNull();
  });

  test('keeps it also over a restart', async () => {
    const files = new Files();
    files.write('a:\n  alias: x\n');
    (await files.start()).close();
    files.write('a: [\n');
    const devices = await files.start();
    expect(devices.of('a')?.alias).toBe('x');
    expect(devices.problems()).toHaveLength(1);
  });

  test('goes on where its last good version cannot be kept, and says so', async () => {
    const files = new Files();
    files.failure = new Error('no room');
    files.write('a:\n  alias: x\n');
    expect((await files.start()).of('a')?.alias).toBe('x');
    expect(files.told).toEqual(['devices.not-kept no room']);
  });

  test('is none where none is configured', async () => {
    const files = new Files();
    const devices = await files.start(null);
    await devices.reload();
    expect(devices.of('a')).toBeNull();
    expect(devices.version).toBe(0);
  });

  test('is checked as it is', () => {
    const files = new Files();
    const config = (text: string): ReturnType<typeof loadDevices> =>
      loadDevices(parseConfig(text, { file: 'gateway.yaml', cwd: join(files.file, '..'), environment: {} }));
    expect(config('').problems).toEqual([]);
    expect(config('devices: devices.yaml').problems[0]?.message).toContain('does not exist');
    files.write('a:\n  alias: x\n');
    expect(config('devices: devices.yaml')).toMatchObject({ problems: [], devices: new Map([['a', {}]]) });
  });
});
