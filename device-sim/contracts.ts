/**
 * What the parts of the simulator promise one another. A leaf: it imports nothing.
 *
 *   scenario ──▶ engine (the schedule) ──▶ model: what is said ──▶ link: how it gets there ──▶ the gateway
 *                   │                                                  │ acknowledged
 *                   └──────────────▶ ledger: what was sent ◀───────────┘
 *                                       └──▶ audit ◀── the databases, the rejected readings
 *
 * Everything that the model says depends on the scenario, the seed and the reading's number alone, so two runs say the
 * same: times are given relative to the start of the run.
 */

// ── What to do ──────────────────────────────────────────────────────────────────────────────────────────────

/** What may be wrong with what a reading says. */
export const PAYLOAD_FAULTS = [
  'violation',
  'type-flip',
  'undecodable',
  'oversized',
  'wrong-unit',
  'stuck',
  'silence',
  'clock-skew',
  'clock-drift',
  'clock-1970',
] as const;
/** What may go wrong on the way of a message over MQTT. */
export const MQTT_FAULTS = [
  'duplicate',
  'reorder',
  'lost-puback',
  'cut',
  'half-open',
  'slow-consumer',
] as const;
/** What may go wrong on the way over a serial cable. */
export const SERIAL_FAULTS = ['noise', 'dropped-bytes', 'glued', 'unplug'] as const;

export type PayloadFault = (typeof PAYLOAD_FAULTS)[number];
export type MqttFault = (typeof MQTT_FAULTS)[number];
export type SerialFault = (typeof SERIAL_FAULTS)[number];
export type Fault = PayloadFault | MqttFault | SerialFault;

/** The share of readings, 0 to 1, that each fault strikes. */
export type FaultRates = Readonly<Partial<Record<Fault, number>>>;

export interface MqttLinkSpec {
  readonly kind: 'mqtt';
  /** Null: the one of the run. `mqtt`, `mqtts`, `ws`, `wss`. */
  readonly url: string | null;
  /** `%i` is the device's number from 0, `%d` its name. */
  readonly clientId: string;
  readonly qos: 0 | 1 | 2;
  readonly cleanSession: boolean;
  readonly keepaliveSeconds: number;
  /** Unacknowledged at once, for each connection. */
  readonly maxInFlight: number;
  readonly reconnectMinMs: number;
  readonly reconnectMaxMs: number;
  /** How many devices speak over one connection. */
  readonly devicesPerConnection: number;
  /** It subscribes to the receipts of its rejected readings. */
  readonly receipts: boolean;
}

export interface SerialLinkSpec {
  readonly kind: 'serial';
  /** Of a port that is there, with `%i`; null: it makes a pair of pseudo terminals, whose far end is `<ports>/<device>`. */
  readonly path: string | null;
  readonly baudRate: number;
  /** The gateway acknowledges each line (`ack: true` of the port). */
  readonly ack: boolean;
}

export interface FleetSpec {
  readonly name: string;
  readonly devices: number;
  /** `$id` of its reading schema; null: all schemas of the run, by turns. */
  readonly schema: string | null;
  /** Readings of each device per second. */
  readonly ratePerSecond: number;
  /** A topic instead of that of the schema; captures as in a reading schema, `%i` and `%c` as in `clientId`; null: the schema's. */
  readonly topic: string | null;
  /** Add a text property to bring each payload up to so many bytes; null: as it comes. */
  readonly payloadBytes: number | null;
  readonly link: MqttLinkSpec | SerialLinkSpec;
  readonly faults: FaultRates;
}

export interface StageSpec {
  /**
   * `ramp`: connections come evenly over the time, and each speaks from then on. `hold`: as it is. `burst`: the rate times
   * `rate`. `storm`: `share` of the connections are cut at once and come again; then as `hold`.
   */
  readonly kind: 'ramp' | 'hold' | 'burst' | 'storm';
  /** Null: until interrupted (the last stage only). */
  readonly durationMs: number | null;
  /** The rate of each fleet times this; 1 unless given. */
  readonly rate: number;
  readonly share: number;
}

export interface Scenario {
  readonly name: string;
  readonly description: string;
  readonly seed: number;
  readonly url: string;
  readonly username: string | null;
  readonly password: string | null;
  readonly tls: { readonly caFile: string | null; readonly insecure: boolean };
  /** Folders or files of reading schemas. */
  readonly schemas: readonly string[];
  readonly fleets: readonly FleetSpec[];
  readonly stages: readonly StageSpec[];
}

// ── What is said ────────────────────────────────────────────────────────────────────────────────────────────

/** 64 bits in two unsigned halves. */
export interface Digest {
  readonly high: number;
  readonly low: number;
}

/** How a stored field is typed: float, integer, string, boolean. */
export type FieldKind = 'f' | 'i' | 's' | 'b';

/** What the databases must hold of a reading. */
export interface Expected {
  readonly measurement: string;
  /** Of its fields, as `field-digest.ts` has it. */
  readonly fields: Digest;
  /**
   * Its own time; null: its time of arrival. ns since the start of the run, or since 1970 where the clock is that wrong,
   * or since its arrival where it says its age (so below 0).
   * Exact: what the device says, and a database holds, has been cut to whole `ModelDevice.timeUnitNs` since 1970.
   */
  readonly time: { readonly ns: bigint; readonly base: 'start' | 'epoch' | 'arrival' } | null;
}

/** One reading as a device says it. */
export interface PlannedReading {
  /** Index of the device in `Model.devices`. */
  readonly device: number;
  /** Of this device, from 0; skipped numbers were silent. */
  readonly n: number;
  readonly topic: string;
  readonly payload: Buffer;
  readonly fault: PayloadFault | null;
  /**
   * `stored`: the gateway must store it as `expected` says. `rejected`: it must reject it. `either`: nobody can say from
   * outside (`expected` where it is stored, if that can be told).
   */
  readonly fate: 'stored' | 'rejected' | 'either';
  readonly expected: Expected | null;
  /** It carries its own time or an identity: a resend must not be stored twice. */
  readonly recognisable: boolean;
}

export interface ModelDevice {
  /** As it is stored: the value of the device tag. */
  readonly name: string;
  readonly fleet: number;
  /** `$id`. */
  readonly schema: string;
  /** The tag of the device name, null where its schema has none; and the other tags that are always the same. */
  readonly deviceTag: string | null;
  readonly tags: Readonly<Record<string, string>>;
  /**
   * Fields (and tags, as `tag:<name>`) that differ from run to run, such as a counter of starts that makes an identity:
   * the digest leaves them out.
   */
  readonly undigested: readonly string[];
  /** The unit of its own time in ns (1, 1_000, 1_000_000, 1_000_000_000); null: it has none. */
  readonly timeUnitNs: number | null;
  /**
   * The next reading, said `offsetUs` after the start of the run; null: it is silent this time. To be called in order.
   * When the run started is only put into its time.
   */
  next(offsetUs: number): PlannedReading | null;
}

export interface Model {
  readonly devices: readonly ModelDevice[];
}

// ── How it gets there ───────────────────────────────────────────────────────────────────────────────────────

/** A message on its way; `token` is the caller's name for it. */
export interface Outgoing {
  readonly token: number;
  readonly topic: string;
  readonly payload: Buffer;
  readonly fault: MqttFault | SerialFault | null;
}

/** What a link tells. None of them may throw. */
export interface LinkListener {
  /** It may send: after each connect, and when there is room again. May call `send`. */
  onReady(): void;
  /**
   * It was acknowledged, once for each token, never from within `send`: QoS 1 PUBACK, QoS 2 PUBCOMP, a serial ACK, or a
   * serial NAK that says it is on disk as rejected. QoS 0 and serial without ack: when it left, which promises nothing.
   */
  onAcknowledged(token: number): void;
  /** The link gave it up, or spoilt it on purpose with nobody to ask for it again: it is there, or it is not. */
  onRefused(token: number, words: string): void;
  /** The connection is gone; the link connects again by itself and sends again what was not acknowledged. */
  onLost(words: string): void;
  /** A receipt of a rejected reading has come. */
  onReceipt(): void;
}

/** One connection to the gateway. It keeps what was not acknowledged, and sends it again after a reconnect. */
export interface Link {
  /** Begins to connect; goes on until `close`. */
  open(): void;
  /** Not lost, and less in flight than allowed. */
  readonly canSend: boolean;
  readonly inFlight: number;
  /** Messages sent once more because no acknowledgement had come. */
  readonly resent: number;
  send(message: Outgoing): void;
  /** Cuts the connection as a dead network would; it comes again after its back-off. */
  cut(): void;
  /** No new messages; resolves when everything is acknowledged, or `deadlineMs` are over. Then it is closed. */
  close(deadlineMs: number): Promise<void>;
}

// ── What was sent ───────────────────────────────────────────────────────────────────────────────────────────

/** Writes the ledger of a run. Buffered; what was written is usable after a kill. */
export interface LedgerWriter {
  /** Before it is sent. Returns its number, counting from 0 in the order of the calls. */
  sent(reading: PlannedReading, offsetUs: number, fault: MqttFault | SerialFault | null): number;
  acknowledged(number: number): void;
  refused(number: number): void;
  /** Hands what was given so far to the operating system; cheap when there is nothing. Called before the readings are sent. */
  flush(): void;
  /** Flushes and syncs. */
  close(): Promise<void>;
}
