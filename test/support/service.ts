/** Real servers and tools that some suites need, and whether this machine has them. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** Where each one comes from: a program of a Debian package, or an optional package of npm. */
const PROGRAMS = {
  influxd: 'influxdb',
  'victoria-metrics': 'victoria-metrics',
  mosquitto: 'mosquitto',
  mosquitto_pub: 'mosquitto-clients',
  mosquitto_sub: 'mosquitto-clients',
  mosquitto_passwd: 'mosquitto',
  openssl: 'openssl',
  strace: 'strace',
  prlimit: 'util-linux',
  socat: 'socat',
  'avr-gcc': 'gcc-avr, with avr-libc and arduino-core-avr',
} as const;

export type ServiceName = keyof typeof PROGRAMS | 'duckdb' | 'tmpfs';

export interface Service {
  readonly available: boolean;
  /** Why not, in words; empty when it is there. */
  readonly reason: string;
  /** Where the program is; null when it is missing, or is no program. */
  readonly path: string | null;
}

const known = new Map<ServiceName, Service>();

/** Whether a server or tool is on this machine. */
export function service(name: ServiceName): Service {
  const found = known.get(name) ?? find(name);
  known.set(name, found);
  return found;
}

/** Of these names (as a suite's title lists them), those that are missing: why, in words. */
export function missingOf(names: readonly string[]): string[] {
  return names
    .filter(isServiceName)
    .map(service)
    .filter(({ available }) => !available)
    .map(({ reason }) => reason);
}

function isServiceName(name: string): name is ServiceName {
  return Object.hasOwn(PROGRAMS, name) || name === 'duckdb' || name === 'tmpfs';
}

/** The path of a program that is there. @throws Error where it is not. */
export function programOf(name: keyof typeof PROGRAMS): string {
  const { path, reason } = service(name);
  if (path === null) throw new Error(reason);
  return path;
}

function find(name: ServiceName): Service {
  if (name === 'tmpfs') {
    const available = mountsTmpfs();
    return { available, reason: available ? '' : 'a tmpfs cannot be mounted here (Linux, root)', path: null };
  }
  if (name === 'duckdb') {
    try {
      createRequire(import.meta.url).resolve('@duckdb/node-api');
      return { available: true, reason: '', path: null };
    } catch {
      return { available: false, reason: '@duckdb/node-api has no build for this platform', path: null };
    }
  }
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return { available: true, reason: '', path };
    } catch {
      // Not in this folder.
    }
  }
  return {
    available: false,
    reason: `${name} is not installed (Debian package ${PROGRAMS[name]})`,
    path: null,
  };
}

/** Being root is not enough in a container: only trying tells. */
function mountsTmpfs(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'telemetry-mount-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder]).status === 0;
  if (mounted) spawnSync('umount', [folder]);
  rmdirSync(folder);
  return mounted;
}
