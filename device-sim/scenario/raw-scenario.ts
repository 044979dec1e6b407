/** A scenario as its file has it, checked against `schemas/scenario.schema.json` and with its defaults filled in. */
import type { Fault } from '../contracts.ts';

export interface RawScenario {
  readonly name?: string;
  readonly description: string;
  readonly seed: number;
  readonly url: string;
  readonly username?: string;
  readonly password?: string;
  readonly tls: { readonly caFile?: string; readonly insecure: boolean };
  readonly schemas?: readonly string[];
  readonly fleets: readonly RawFleet[];
  readonly stages: readonly RawStage[];
}

export interface RawFleet {
  readonly name?: string;
  readonly devices: number;
  readonly schema?: string;
  readonly rate: string;
  readonly topic?: string;
  readonly payload?: string;
  readonly mqtt?: RawMqtt;
  readonly serial?: { readonly path?: string; readonly baudRate: number; readonly ack: boolean };
  readonly faults: Readonly<Partial<Record<Fault, RawShare>>>;
}

export interface RawMqtt {
  readonly url?: string;
  readonly clientId: string;
  readonly qos: 0 | 1 | 2;
  readonly cleanSession: boolean;
  readonly keepalive: string;
  readonly maxInFlight: number;
  readonly reconnectMin: string;
  readonly reconnectMax: string;
  readonly devicesPerConnection: number;
  readonly receipts: boolean;
}

export interface RawStage {
  readonly stage: 'ramp' | 'hold' | 'burst' | 'storm';
  readonly for?: string;
  readonly rate?: number;
  readonly share?: RawShare;
}

/** `5%` or 0.05. */
export type RawShare = number | string;
