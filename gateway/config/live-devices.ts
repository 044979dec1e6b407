import { basename, dirname } from 'node:path';
import type { Clock } from '../contracts.ts';
import { messageOf, type Problem, problemText } from '../errors.ts';
import { watchFolder } from '../folder-watch.ts';
import type { DeviceBook } from '../ledger-contract.ts';
import type { Events } from '../monitoring/events.ts';
import { type DeviceSettingsMap, parseDevices, readDevicesFile } from './devices-file.ts';
import type { GatewayConfig } from './gateway-config.ts';

export interface LiveDevicesOptions {
  /** Null: nothing is written down of any device. */
  readonly file: string | null;
  /** Small texts that outlive the process; the store keeps them. */
  readonly documents: {
    get(name: string): string | null;
    set(name: string, text: string): Promise<void>;
  };
  readonly events: Events;
  readonly clock: Clock;
  readonly settleMs?: number;
  readonly pollMs?: number;
}

/** `devices.yaml`, always as good as it has been, also after a restart. */
export interface LiveDevices extends DeviceBook {
  /** What is wrong with the file as it is; the last good one stays in force. */
  problems(): readonly Problem[];
  /** How many devices something is written down of. */
  readonly size: number;
  /** Reads the file again, now. Never rejects. */
  reload(): Promise<void>;
  close(): void;
}

const DOCUMENT = 'devices-file';
const SETTLE_MS = 150;
const POLL_MS = 5000;
const NOTHING: DeviceSettingsMap = new Map();

/** For `check`: what the configured file says, and what is wrong with it. */
export function loadDevices({ devicesFile }: GatewayConfig): {
  readonly devices: DeviceSettingsMap;
  readonly problems: readonly Problem[];
} {
  if (devicesFile === null) return { devices: NOTHING, problems: [] };
  const read = readDevicesFile(devicesFile);
  if ('problem' in read) return { devices: NOTHING, problems: [read.problem] };
  return parseDevices(read.text, basename(devicesFile));
}

/**
 * Follows the file while readings flow. A file that turns bad, or is gone, is told, and what it said last stays in
 * force. The step from one to the next is one assignment.
 */
export async function createLiveDevices(options: LiveDevicesOptions): Promise<LiveDevices> {
  const { file, documents, events, clock } = options;
  let devices = NOTHING;
  let version = 0;
  let seen: string | null = null;
  let inForce: string | null = null;
  let problems: readonly Problem[] = [];
  let loading: Promise<void> = Promise.resolve();
  const name = file === null ? '' : basename(file);

  const load = async (path: string): Promise<void> => {
    const read = readDevicesFile(path);
    if ('problem' in read) {
      seen = null;
      takeKept();
      tell([read.problem]);
      return;
    }
    const { text } = read;
    if (text === seen) return;
    seen = text;
    const parsed = parseDevices(text, name);
    if (parsed.problems.length > 0) {
      takeKept();
      tell(parsed.problems);
      return;
    }
    if (text !== inForce) {
      const isFirst = inForce === null;
      enforce(parsed.devices, text);
      if (!isFirst) events.emit('devices.changed', { count: devices.size, file: name });
    }
    tell([]);
    await keep(text);
  };

  const enforce = (next: DeviceSettingsMap, text: string): void => {
    devices = next;
    inForce = text;
    version += 1;
  };

  /** Nothing good was there yet: what was before the restart. */
  const takeKept = (): void => {
    const text = inForce === null ? documents.get(DOCUMENT) : null;
    if (text === null || text === '') return;
    const kept = parseDevices(text, name);
    if (kept.problems.length === 0) enforce(kept.devices, text);
  };

  const keep = async (text: string): Promise<void> => {
    try {
      if (documents.get(DOCUMENT) !== text) await documents.set(DOCUMENT, text);
    } catch (error) {
      events.emit('devices.not-kept', { file: name, error: messageOf(error) });
    }
  };

  const tell = (next: readonly Problem[]): void => {
    const known = new Set(problems.map(problemText));
    const consequence = inForce === null ? 'nothing of it is in force' : 'what it said last stays in force';
    for (const problem of next) {
      const words = problemText(problem);
      if (!known.has(words)) events.emit('devices.problem', { problem: words, consequence });
    }
    if (problems.length > 0 && next.length === 0) events.emit('devices.mended', { file: name });
    problems = next;
  };

  const reload = (): Promise<void> => {
    if (file === null) return loading;
    loading = loading
      .then(() => load(file))
      .catch((error: unknown) => {
        events.emit('hook.failed', { hook: 'devices reload', error: messageOf(error) });
      });
    return loading;
  };

  await reload();
  const unwatch =
    file === null
      ? (): void => undefined
      : watchFolder({
          dir: dirname(file),
          clock,
          accepts: (each) => each === name,
          settleMs: options.settleMs ?? SETTLE_MS,
          pollMs: options.pollMs ?? POLL_MS,
          changed: reload,
        });

  return {
    of: (device) => devices.get(device) ?? null,
    get version() {
      return version;
    },
    get size() {
      return devices.size;
    },
    problems: () => problems,
    reload,
    close: unwatch,
  };
}
