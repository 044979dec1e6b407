/** The configuration as the gateway uses it: every option present, units resolved, paths absolute, deeply frozen. */
import type { BrokerConnection } from '../broker-link/broker-connection.ts';
import type { Quota } from './units.ts';

export interface ListenerConfig {
  readonly host: string;
  /** 0: the system chooses. */
  readonly port: number;
  /** Anyone who reaches it may connect, although it is no loopback address. */
  readonly anonymous: boolean;
}

/** What MQTT clients may take. The names are those of the broker's own limits, most of which are no option. */
export interface MqttLimitOptions {
  readonly maxPacketBytes: number;
  readonly maxConnections: number;
  readonly maxTopicBytes: number;
  readonly maxTopicLevels: number;
  readonly maxClientIdBytes: number;
  readonly maxKeepaliveSeconds: number;
  readonly maxInFlight: number;
  readonly maxSubscriptionsPerClient: number;
  readonly maxSessions: number;
  readonly maxOfflineMessages: number;
  readonly maxOfflineBytes: number;
  readonly maxRetainedMessages: number;
  readonly maxRetainedBytes: number;
}

export interface EmbeddedSinkConfig {
  readonly type: 'embedded';
  readonly name: string;
  /** Null: kept for ever. */
  readonly maxBytes: number | null;
  readonly maxAgeMs: number | null;
}

export interface InfluxSinkConfig {
  readonly type: 'influxdb';
  readonly name: string;
  readonly url: string;
  readonly version: 'auto' | 1 | 2 | 3;
  readonly database: string | null;
  readonly username: string | null;
  readonly password: string | null;
  readonly org: string | null;
  readonly bucket: string | null;
  readonly token: string | null;
  readonly gzip: 'auto' | boolean;
  readonly maxBacklogBytes: number | null;
  readonly whenFull: 'block' | 'drop-oldest';
  readonly batch: { readonly lines: number; readonly bytes: number; readonly ageMs: number };
  readonly timeoutMs: number;
}

export type SinkConfig = EmbeddedSinkConfig | InfluxSinkConfig;

/** A serial port, or with `each` as many as fit. */
export interface SerialPortConfig {
  readonly name: string;
  /** Absolute; may hold `*` and `?` in its last part. Either this or `match` is null. */
  readonly path: string | null;
  /** What the USB device behind it says of itself. */
  readonly match: {
    readonly vendorId: string | null;
    readonly productId: string | null;
    readonly serialNumber: string | null;
  } | null;
  readonly each: boolean;
  readonly baudRate: number;
  readonly dataBits: 5 | 6 | 7 | 8;
  readonly parity: 'none' | 'even' | 'odd';
  readonly stopBits: 1 | 2;
  readonly rtscts: boolean;
  /** As `schemas/framing.schema.json` has it. */
  readonly framing: { readonly kind: string };
  /** As `schemas/format.schema.json` has it; null: as the schema of the topic says. */
  readonly format: string | Readonly<Record<string, unknown>> | null;
  /** `{device}` is to be filled in. */
  readonly topic: string;
  readonly device: string;
  readonly settleMs: number;
  readonly silenceMs: number | null;
  readonly ack: boolean;
  /** Client ids. */
  readonly downlink: readonly string[];
}

/** Another broker to read from. */
export interface BrokerConfig {
  /** Also the `source` of its messages. */
  readonly name: string;
  readonly connection: BrokerConnection;
  readonly subscribe: readonly {
    /** Without `$share/…`. */
    readonly filter: string;
    readonly qos: 0 | 1 | 2;
    /** The group of a shared subscription; null: not shared. */
    readonly share: string | null;
  }[];
  /** Taken and not yet acknowledged to it, at most. */
  readonly maxInFlight: number;
  /** Receipts of rejected readings are published there under this topic and the device; null: none. */
  readonly receipts: string | null;
  /** Retained messages that the broker repeats at a subscription: take those that differ from the last one, none, or all. */
  readonly retained: 'changed' | 'none' | 'all';
}

/** What is passed on to another broker. */
export interface ForwardConfig {
  /** Also the name of its outbox. */
  readonly name: string;
  readonly connection: BrokerConnection;
  /** MQTT topic filters. */
  readonly topics: readonly string[];
  /**
   * `valid`: messages as they came, if every reading in them was stored. `readings`: each stored reading as JSON. `raw`:
   * every message as it came, also rejected and unrouted ones.
   */
  readonly send: 'valid' | 'readings' | 'raw';
  /** Put before each topic. */
  readonly prefix: string;
  readonly retain: boolean;
  readonly maxInFlight: number;
  readonly maxBacklogBytes: number;
  /** `refuse`: only what is for it is not taken. */
  readonly whenFull: 'block' | 'drop-oldest' | 'refuse';
  /** A message at which the other side ends the connection each time is dropped; false: it waits. */
  readonly givesUp: boolean;
}

export interface PeerConfig {
  readonly name: string;
  /** Who answers there: another one, where that takes what is for this one. */
  readonly answers: string;
  readonly link: ForwardConfig;
}

/** The gateways that share subscriptions with this one. */
export interface PeersConfig {
  /** Of this gateway, as the others know it. */
  readonly name: string;
  readonly others: readonly PeerConfig[];
}

export interface GatewayConfig {
  /** Null: no file, the embedded defaults. */
  readonly file: string | null;
  readonly dataDir: string;
  readonly schemasDir: string;
  /** The schemas are those that ship with the program. */
  readonly shippedSchemas: boolean;
  /** `devices.yaml`; null: none. */
  readonly devicesFile: string | null;
  readonly mqtt: {
    readonly listeners: readonly ListenerConfig[];
    readonly unrouted: 'forward' | 'reject';
    /** Client ids that may read the receipts of every client. */
    readonly observers: readonly string[];
    readonly limits: MqttLimitOptions;
  };
  readonly brokers: readonly BrokerConfig[];
  readonly forward: readonly ForwardConfig[];
  /** Null: none. */
  readonly peers: PeersConfig | null;
  readonly serial: readonly SerialPortConfig[];
  /** Null: no HTTP. */
  readonly http: ListenerConfig | null;
  readonly store: {
    readonly maxBytes: number;
    /** Nobody chose it: at most a quarter of the free disk then. */
    readonly maxBytesIsDefault: boolean;
    readonly minFreeDiskBytes: number;
    readonly whenFull: 'refuse' | 'drop-oldest';
    readonly commitDelayMs: number;
    readonly rejected: {
      /** A percentage is of `maxBytes`. */
      readonly maxBytes: Quota;
      readonly maxAgeMs: number;
    };
  };
  readonly limits: {
    readonly payloadBytes: number;
    readonly payloadDepth: number;
    readonly payloadKeys: number;
    readonly series: number;
    /** Null: only the one for all. */
    readonly seriesPerMeasurement: number | null;
    readonly seriesAgeMs: number;
  };
  readonly sinks: readonly SinkConfig[];
  /** How often the gateway stores measurements of its own; null: never. */
  readonly measurementsEveryMs: number | null;
  readonly clock: {
    /** Until this file exists, the clock of this machine counts as not set; null: only its time tells. */
    readonly untilFile: string | null;
  };
  readonly log: {
    readonly level: 'debug' | 'info' | 'warn' | 'error';
    readonly format: 'auto' | 'json' | 'pretty';
  };
}
