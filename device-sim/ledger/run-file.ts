/** `run.json` of a ledger: which run it was, and what its devices are. Nothing secret is in it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { makeFolders } from '../../gateway/make-folders.ts';
import type { ModelDevice, Scenario } from '../contracts.ts';

/** A device as the audit has to know it. */
export interface LedgerDevice {
  readonly name: string;
  readonly fleet: string;
  readonly schema: string;
  readonly deviceTag: string | null;
  readonly tags: Readonly<Record<string, string>>;
  readonly timeUnitNs: number | null;
  /** Fields, and tags as `tag:<name>`, that differ from run to run, and are in no digest. */
  readonly undigested: readonly string[];
  /** The transport acknowledges (QoS 1, QoS 2, serial with `ack`): only then does an acknowledgement promise anything. */
  readonly promises: boolean;
}

/** What a run says of itself when it opens its ledger. */
export interface LedgerHeader {
  /** ms since 1970; all times of the ledger count from it. */
  readonly startMs: number;
  /** Of the simulator. */
  readonly version: string;
  readonly scenario: Pick<Scenario, 'name' | 'seed' | 'url' | 'fleets'>;
  readonly devices: readonly Omit<ModelDevice, 'next'>[];
}

export interface RunFile {
  readonly layout: 1;
  readonly startMs: number;
  readonly version: string;
  readonly scenario: string;
  readonly seed: number;
  /** Without user and password. */
  readonly url: string;
  readonly devices: readonly LedgerDevice[];
}

const NAME = 'run.json';

/** @throws Error where the folder cannot be made, or holds a ledger already. */
export function writeRunFile(folder: string, { startMs, version, scenario, devices }: LedgerHeader): void {
  const run: RunFile = {
    layout: 1,
    startMs,
    version,
    scenario: scenario.name,
    seed: scenario.seed,
    url: withoutSecrets(scenario.url),
    devices: devices.map((device) => {
      const fleet = scenario.fleets[device.fleet];
      return {
        name: device.name,
        fleet: fleet?.name ?? '',
        schema: device.schema,
        deviceTag: device.deviceTag,
        tags: device.tags,
        timeUnitNs: device.timeUnitNs,
        undigested: device.undigested,
        promises: fleet?.link.kind === 'serial' ? fleet.link.ack : fleet?.link.qos !== 0,
      };
    }),
  };
  makeFolders(resolve(folder));
  try {
    writeFileSync(join(folder, NAME), `${JSON.stringify(run)}\n`, { flag: 'wx' });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') {
      throw new Error(`${folder} holds a ledger already; give another folder`, { cause: error });
    }
    throw error;
  }
}

/** @throws Error where there is no ledger, or one of another layout. */
export function readRunFile(folder: string): RunFile {
  let text: string;
  try {
    text = readFileSync(join(folder, NAME), 'utf8');
  } catch (error) {
    throw new Error(`${folder} holds no ledger (there is no ${NAME})`, { cause: error });
  }
  let run: unknown;
  try {
    run = JSON.parse(text);
  } catch (error) {
    throw new Error(`${join(folder, NAME)} is torn: the run had not begun`, { cause: error });
  }
  if (!isRunFile(run)) throw new Error(`${join(folder, NAME)} is of another version of device-sim`);
  return run;
}

function isRunFile(value: unknown): value is RunFile {
  return (
    typeof value === 'object' &&
    value !== null &&
    'layout' in value &&
    value.layout === 1 &&
    'devices' in value &&
    Array.isArray(value.devices)
  );
}

function withoutSecrets(url: string): string {
  try {
    const parsed = new URL(url);
    parsed.username = '';
    parsed.password = '';
    return parsed.href;
  } catch {
    return '';
  }
}
