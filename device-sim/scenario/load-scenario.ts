import { readFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { GatewayError, messageOf, type Problem, problemText } from '../../gateway/errors.ts';
import {
  type Fault,
  type FaultRates,
  type FleetSpec,
  MQTT_FAULTS,
  type MqttLinkSpec,
  type Scenario,
  SERIAL_FAULTS,
  type SerialLinkSpec,
  type StageSpec,
} from '../contracts.ts';
import { parseBytes, parseDuration, parseRate, parseShare } from '../quantities.ts';
import type { RawFleet, RawMqtt, RawScenario, RawShare, RawStage } from './raw-scenario.ts';
import { readScenarioText, type ScenarioFile } from './scenario-file.ts';
import { SHIPPED_SCHEMAS } from './shipped.ts';
import { validateScenario } from './validate-scenario.ts';

const BURST_RATE = 5;

/** Reads a scenario from its file. @throws GatewayError `config-invalid` with every problem at its place. */
export function loadScenario(file: string): Scenario {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new GatewayError('config-invalid', `cannot read the scenario: ${messageOf(error)}`);
  }
  return parseScenario(text, file);
}

/** The scenario that a YAML text describes; `file` is where its relative paths start, and what problems call it. */
export function parseScenario(text: string, file: string): Scenario {
  const source = readScenarioText(text, file);
  const raw = validateScenario(source);
  const problems = isProblems(raw) ? raw : problemsOf(raw, source);
  if (isProblems(raw) || problems.length > 0)
    throw new GatewayError('config-invalid', problems.map(problemText).join('\n'), { problems });
  const folder = dirname(file);
  return {
    name: raw.name ?? basename(file).replace(/\.ya?ml$/, ''),
    description: raw.description,
    seed: raw.seed,
    url: raw.url,
    username: raw.username ?? null,
    password: raw.password ?? null,
    tls: {
      caFile: raw.tls.caFile === undefined ? null : resolve(folder, raw.tls.caFile),
      insecure: raw.tls.insecure,
    },
    schemas: raw.schemas?.map((path) => resolve(folder, path)) ?? [SHIPPED_SCHEMAS],
    fleets: raw.fleets.map(fleetOf),
    stages: raw.stages.map(stageOf),
  };
}

function isProblems(value: RawScenario | readonly Problem[]): value is readonly Problem[] {
  return Array.isArray(value);
}

function fleetOf(raw: RawFleet, index: number): FleetSpec {
  return {
    name: raw.name ?? `fleet-${index + 1}`,
    devices: raw.devices,
    schema: raw.schema ?? null,
    ratePerSecond: parseRate(raw.rate),
    topic: raw.topic ?? null,
    payloadBytes: raw.payload === undefined ? null : parseBytes(raw.payload),
    link: linkOf(raw),
    faults: faultsOf(raw.faults),
  };
}

function linkOf({ mqtt, serial }: RawFleet): MqttLinkSpec | SerialLinkSpec {
  if (serial !== undefined) return { kind: 'serial', ...serial, path: serial.path ?? null };
  if (mqtt === undefined) throw new TypeError('a checked fleet is on MQTT or on serial cables');
  return mqttLinkOf(mqtt);
}

function mqttLinkOf({ keepalive, reconnectMin, reconnectMax, url, ...same }: RawMqtt): MqttLinkSpec {
  return {
    kind: 'mqtt',
    ...same,
    url: url ?? null,
    keepaliveSeconds: Math.round(parseDuration(keepalive) / 1000),
    reconnectMinMs: parseDuration(reconnectMin),
    reconnectMaxMs: parseDuration(reconnectMax),
  };
}

function faultsOf(raw: RawFleet['faults']): FaultRates {
  const rates: Partial<Record<Fault, number>> = {};
  // The keys are those of the schema.
  for (const [name, share] of Object.entries(raw)) rates[name as Fault] = shareOf(share);
  return rates;
}

function stageOf(raw: RawStage): StageSpec {
  return {
    kind: raw.stage,
    durationMs: raw.for === undefined ? null : parseDuration(raw.for),
    rate: raw.rate ?? (raw.stage === 'burst' ? BURST_RATE : 1),
    share: raw.share === undefined ? 1 : shareOf(raw.share),
  };
}

function shareOf(share: RawShare): number {
  return typeof share === 'number' ? share : parseShare(share);
}

/** What the schema cannot say. */
function problemsOf(raw: RawScenario, source: ScenarioFile): readonly Problem[] {
  const problems: Problem[] = [];
  const say = (pointer: string, message: string): void => {
    problems.push(source.problem(pointer, message));
  };
  const names = new Set<string>();
  for (const [i, fleet] of raw.fleets.entries()) {
    const at = `/fleets/${i}`;
    const name = fleet.name ?? `fleet-${i + 1}`;
    if (names.has(name)) say(`${at}/name`, `is the name of another fleet too: ${name}`);
    names.add(name);
    const { mqtt, serial } = fleet;
    if (mqtt !== undefined) {
      if (parseDuration(mqtt.reconnectMin) > parseDuration(mqtt.reconnectMax))
        say(`${at}/mqtt/reconnectMin`, 'must not be longer than reconnectMax');
      const several = fleet.devices > mqtt.devicesPerConnection;
      if (several && !/%[di]/.test(mqtt.clientId))
        say(
          `${at}/mqtt/clientId`,
          'needs %d or %i: there are several connections, and they would throw each other out',
        );
    }
    if (serial?.path !== undefined && fleet.devices > 1 && !serial.path.includes('%i'))
      say(`${at}/serial/path`, 'needs %i, because there are several devices');
    const foreign: readonly string[] = mqtt === undefined ? MQTT_FAULTS : SERIAL_FAULTS;
    for (const fault of Object.keys(fleet.faults)) {
      if (foreign.includes(fault))
        say(
          `${at}/faults/${fault}`,
          mqtt === undefined
            ? 'is a fault of MQTT; this fleet is on serial cables'
            : 'is a fault of serial cables; this fleet speaks MQTT',
        );
    }
    try {
      parseRate(fleet.rate);
    } catch (error) {
      say(`${at}/rate`, messageOf(error));
    }
  }
  for (const [i, stage] of raw.stages.entries()) {
    const at = `/stages/${i}`;
    if (stage.stage === 'ramp' && i > 0) say(`${at}/stage`, 'ramp can be the first stage only');
    if (stage.for === undefined && (stage.stage === 'ramp' || i < raw.stages.length - 1))
      say(at, 'needs for: only the last stage, if it is no ramp, can go on until interrupted');
  }
  return problems;
}
