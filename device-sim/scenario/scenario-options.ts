import { GatewayError } from '../../gateway/errors.ts';
import {
  type Fault,
  type FaultRates,
  type FleetSpec,
  MQTT_FAULTS,
  type MqttLinkSpec,
  PAYLOAD_FAULTS,
  type Scenario,
  SERIAL_FAULTS,
  type StageSpec,
} from '../contracts.ts';
import { parseScenario } from './load-scenario.ts';

/** What the command line says of a run; what is left out stays as the scenario has it. */
export interface ScenarioOptions {
  readonly url?: string;
  readonly username?: string;
  readonly password?: string;
  readonly ca?: string;
  readonly insecure?: boolean;
  readonly devices?: number;
  /** Readings of each device per second. */
  readonly rate?: number;
  readonly qos?: 0 | 1 | 2;
  readonly topic?: string;
  readonly clientId?: string;
  readonly size?: number;
  /** ms. */
  readonly for?: number;
  readonly seed?: number;
  /** Every fault of the scenario strikes this share; without a scenario every fault there is. */
  readonly faults?: number;
  /** Share of readings that are bad on purpose. */
  readonly bad?: number;
  readonly schemas?: readonly string[];
  readonly maxInFlight?: number;
  readonly devicesPerConnection?: number;
  /** So many devices on serial cables, in a fleet of their own. */
  readonly serial?: number;
  readonly serialAck?: boolean;
}

/** What runs where no scenario is named: devices of all shipped schemas, by turns. */
export function plainScenario(): Scenario {
  return parseScenario('name: plain\nfleets: [{ name: devices }]', 'plain.yaml');
}

const HOST = /^(?:[^\s/@:?#[\]]+|\[?[\da-fA-F:.]+\]?)$/;

/** The url with another host or port: the way, and the path of a WebSocket, stay as they are. @throws GatewayError `usage`. */
export function withAddress(url: string, host: string | undefined, port: number | undefined): string {
  const parsed = new URL(url);
  if (host !== undefined && !HOST.test(host)) throw new GatewayError('usage', `${host} is no name of a host`);
  if (host !== undefined) parsed.hostname = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
  if (port !== undefined) parsed.port = String(port);
  return parsed.href;
}

/** The scenario with what the command line says. `plain`: it is no scenario of somebody's, but `plainScenario()`. */
export function withOptions(scenario: Scenario, options: ScenarioOptions, plain: boolean): Scenario {
  const onlySerial = plain && options.serial !== undefined && options.devices === undefined;
  const fleets = withSerial(onlySerial ? [] : withDevices(scenario.fleets, options.devices), options);
  return {
    ...scenario,
    seed: options.seed ?? scenario.seed,
    url: options.url ?? scenario.url,
    username: options.username ?? scenario.username,
    password: options.password ?? scenario.password,
    tls: { caFile: options.ca ?? scenario.tls.caFile, insecure: options.insecure ?? scenario.tls.insecure },
    schemas: options.schemas ?? scenario.schemas,
    fleets: fleets.map((fleet) => withFleetOptions(fleet, options, plain)),
    stages: options.for === undefined ? scenario.stages : lasting(scenario.stages, options.for),
  };
}

/** The whole fleet comes to so many devices, each part in its proportion and with one device at least. */
function withDevices(fleets: readonly FleetSpec[], devices: number | undefined): readonly FleetSpec[] {
  if (devices === undefined) return fleets;
  const all = fleets.reduce((sum, fleet) => sum + fleet.devices, 0);
  let before = 0;
  let given = 0;
  return fleets.map((fleet) => {
    before += fleet.devices;
    const share = Math.max(1, Math.round((before / all) * devices) - given);
    given += share;
    return { ...fleet, devices: share };
  });
}

function withSerial(
  fleets: readonly FleetSpec[],
  { serial, serialAck }: ScenarioOptions,
): readonly FleetSpec[] {
  const [like] = plainScenario().fleets;
  if (serial === undefined || like === undefined) return fleets;
  const link = { kind: 'serial', path: null, baudRate: 115_200, ack: serialAck ?? false } as const;
  return [...fleets, { ...like, name: 'serial', devices: serial, link }];
}

function withFleetOptions(fleet: FleetSpec, options: ScenarioOptions, plain: boolean): FleetSpec {
  return {
    ...fleet,
    ratePerSecond: options.rate ?? fleet.ratePerSecond,
    topic: options.topic ?? fleet.topic,
    payloadBytes: options.size ?? fleet.payloadBytes,
    link: fleet.link.kind === 'mqtt' ? withLinkOptions(fleet.link, options) : fleet.link,
    faults: faultsWith(fleet, options, plain),
  };
}

function withLinkOptions(link: MqttLinkSpec, options: ScenarioOptions): MqttLinkSpec {
  return {
    ...link,
    // A url that somebody types is meant for all.
    url: options.url === undefined ? link.url : null,
    qos: options.qos ?? link.qos,
    clientId: options.clientId ?? link.clientId,
    maxInFlight: options.maxInFlight ?? link.maxInFlight,
    devicesPerConnection: options.devicesPerConnection ?? link.devicesPerConnection,
  };
}

function faultsWith({ faults, link }: FleetSpec, options: ScenarioOptions, plain: boolean): FaultRates {
  const rates: Partial<Record<Fault, number>> = { ...faults };
  if (options.faults !== undefined) {
    const way: readonly Fault[] = link.kind === 'mqtt' ? MQTT_FAULTS : SERIAL_FAULTS;
    const all: readonly Fault[] = [...PAYLOAD_FAULTS, ...way];
    for (const fault of all) {
      if (plain || (rates[fault] ?? 0) > 0) rates[fault] = options.faults;
    }
  }
  if (options.bad !== undefined) {
    rates.violation = options.bad * 0.6;
    rates.undecodable = options.bad * 0.4;
  }
  return rates;
}

/** The stages come to so long: what is too much is cut off, and the last one is stretched. */
function lasting(stages: readonly StageSpec[], durationMs: number): readonly StageSpec[] {
  const kept: StageSpec[] = [];
  let leftMs = durationMs;
  for (const [i, stage] of stages.entries()) {
    const last = i === stages.length - 1;
    const takesMs = last ? leftMs : Math.min(leftMs, stage.durationMs ?? leftMs);
    if (takesMs > 0) kept.push({ ...stage, durationMs: takesMs });
    leftMs -= takesMs;
  }
  return kept;
}
