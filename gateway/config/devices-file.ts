import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { ValidateFunction } from 'ajv/dist/2020.js';
import type { Problem } from '../errors.ts';
import type { DeviceSettings } from '../ledger-contract.ts';
import { nameProblem } from '../line-protocol/encode.ts';
import { PACKAGE_ROOT } from '../package-root.ts';
import { readBounded } from './secret-file.ts';
import { systemWords } from './system-words.ts';
import { parseDuration } from './units.ts';
import { createConfigAjv, validateConfig } from './validate.ts';
import { escapeSegment, parseYaml, type YamlSource } from './yaml-source.ts';

export const DEVICES_SCHEMA_FILE = join(PACKAGE_ROOT, 'schemas/devices.schema.json');

/** Some 9,000 devices. Reading them takes about 0.2 ms each, in which nothing else happens. */
const MAX_FILE_BYTES = 1024 * 1024;
const MAX_NAME_BYTES = 256;
const LEAST_EXPECTED_MS = 1_000;
/** The databases' own columns. */
const RESERVED_TAGS = new Set(['time', '_time', '_field', '_measurement', '_value']);

export type DeviceSettingsMap = ReadonlyMap<string, DeviceSettings>;

/** A devices file as it is: what it says, or every problem at its place. */
export interface DevicesFile {
  readonly devices: DeviceSettingsMap;
  readonly problems: readonly Problem[];
}

interface RawCalibration {
  readonly scale?: number;
  readonly offset?: number;
  readonly from?: string;
}

interface RawDevice {
  readonly alias?: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly calibration?: Readonly<Record<string, RawCalibration | readonly RawCalibration[]>>;
  readonly expectEvery?: string;
}

let compiled: ValidateFunction | undefined;

function validator(): ValidateFunction {
  if (compiled !== undefined) return compiled;
  const schema: object = JSON.parse(readFileSync(DEVICES_SCHEMA_FILE, 'utf8'));
  compiled = createConfigAjv().compile(schema);
  return compiled;
}

/** Its text, or why it cannot be read. */
export function readDevicesFile(path: string): { readonly text: string } | { readonly problem: Problem } {
  const problem = (message: string): { readonly problem: Problem } => ({
    problem: { file: basename(path), line: 1, column: 1, pointer: '', message },
  });
  try {
    const text = readBounded(path, MAX_FILE_BYTES);
    if (text === null) return problem('is larger than 1 MiB');
    return text.replace(/^\s*#.*$/gm, '').trim() === ''
      ? problem('is empty; write {} where nothing is to be said of any device')
      : { text };
  } catch (error) {
    return problem(`cannot be read: ${systemWords(error)}`);
  }
}

/** Never throws. `name` is what problems call the file. */
export function parseDevices(text: string, name: string): DevicesFile {
  const source = parseYaml(text, name, null);
  const problems: Problem[] = [...source.problems];
  if (problems.length === 0) problems.push(...validateConfig(source, validator()));
  if (problems.length > 0) return { devices: new Map(), problems };
  // The schema let it through.
  const raw = new Map(Object.entries(source.value as Readonly<Record<string, RawDevice | null>>));
  const devices = new Map<string, DeviceSettings>();
  const report = (pointer: string, message: string): void =>
    void problems.push(source.problem(pointer, message));
  for (const [device, settings] of raw) devices.set(device, settingsOf(device, settings ?? {}, report));
  problems.push(...sharedNames(devices, source));
  return { devices: problems.length === 0 ? devices : new Map(), problems };
}

type Report = (pointer: string, message: string) => void;

function settingsOf(device: string, raw: RawDevice, report: Report): DeviceSettings {
  const at = `/${escapeSegment(device)}`;
  const checkName = (pointer: string, text: string): void => {
    const problem =
      nameProblem(text) ??
      (Buffer.byteLength(text) > MAX_NAME_BYTES ? `must have at most ${MAX_NAME_BYTES} bytes` : null);
    if (problem !== null) report(pointer, problem);
  };
  checkName(at, device);
  if (raw.alias !== undefined) checkName(`${at}/alias`, raw.alias);
  for (const [key, text] of Object.entries(raw.tags ?? {})) {
    const pointer = `${at}/tags/${escapeSegment(key)}`;
    checkName(pointer, key);
    checkName(pointer, text);
    if (RESERVED_TAGS.has(key.toLowerCase()))
      report(pointer, 'is a name that the databases keep for themselves');
  }
  const expectEveryMs = raw.expectEvery === undefined ? null : (parseDuration(raw.expectEvery) ?? 0);
  if (expectEveryMs !== null && expectEveryMs < LEAST_EXPECTED_MS)
    report(`${at}/expectEvery`, 'must be from 1s on');
  return {
    alias: raw.alias ?? null,
    tags: new Map(Object.entries(raw.tags ?? {})),
    calibration: new Map(
      Object.entries(raw.calibration ?? {}).map(([field, given]) => {
        const pointer = `${at}/calibration/${escapeSegment(field)}`;
        checkName(pointer, field);
        return [field, calibrationsOf(given, pointer, report)];
      }),
    ),
    expectEveryMs,
  };
}

type Calibration = { readonly scale: number; readonly offset: number; readonly fromMs: number };

/** In the order in which they hold. */
function calibrationsOf(
  given: RawCalibration | readonly RawCalibration[],
  pointer: string,
  report: Report,
): readonly Calibration[] {
  const isList = Array.isArray(given);
  const list: readonly RawCalibration[] = isList ? given : [given as RawCalibration];
  const seen = new Set<number>();
  const calibrations = list.map(({ scale = 1, offset = 0, from }, i): Calibration => {
    const at = isList ? `${pointer}/${i}` : pointer;
    if (scale === 0) report(`${at}/scale`, 'must not be 0: every value would be the same');
    const fromMs = from === undefined ? 0 : Date.parse(from.replace(' ', 'T'));
    if (Number.isNaN(fromMs)) report(`${at}/from`, 'is no date of the calendar');
    else if (seen.has(fromMs)) report(at, 'begins at the same time as another one of this field');
    seen.add(fromMs);
    return { scale, offset, fromMs };
  });
  return calibrations.sort((a, b) => a.fromMs - b.fromMs);
}

/** What two devices are stored under cannot be told apart afterwards. */
function sharedNames(devices: DeviceSettingsMap, source: YamlSource): Problem[] {
  const problems: Problem[] = [];
  const owners = new Map<string, string>();
  for (const [device, { alias }] of devices) if (alias === null) owners.set(device, device);
  for (const [device, { alias }] of devices) {
    if (alias === null) continue;
    const owner = owners.get(alias);
    if (owner !== undefined) {
      const what = owner === alias ? 'is the name of another device' : `is the alias of ${owner} already`;
      problems.push(source.problem(`/${escapeSegment(device)}/alias`, what));
    }
    owners.set(alias, device);
  }
  return problems;
}
