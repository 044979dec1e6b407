/** The configuration as its schema lets it through, defaults filled in: `schemas/gateway-config.schema.json` in types. */

export interface RawListener {
  host: string;
  port: number;
  anonymous: boolean;
}

export interface RawEmbeddedSink {
  type: 'embedded';
  name?: string;
  maxBytes?: string;
  maxAge?: string;
}

export interface RawInfluxSink {
  type: 'influxdb';
  name?: string;
  url: string;
  version: 'auto' | 1 | 2 | 3;
  database?: string;
  username?: string;
  password?: string;
  passwordFile?: string;
  org?: string;
  bucket?: string;
  token?: string;
  tokenFile?: string;
  gzip: 'auto' | boolean;
  maxBacklog?: string;
  whenFull: 'block' | 'drop-oldest';
  batch: { lines: number; bytes: string; age: string };
  timeout: string;
}

export interface RawSerialPort {
  name?: string;
  path?: string;
  match?: { vendorId?: string; productId?: string; serialNumber?: string };
  each: boolean;
  topic: string;
  device?: string;
  baudRate: number;
  dataBits: 5 | 6 | 7 | 8;
  parity: 'none' | 'even' | 'odd';
  stopBits: 1 | 2;
  rtscts: boolean;
  framing: string | { kind: string };
  maxFrame: string;
  format?: string | Record<string, unknown>;
  settle: string;
  silence?: string;
  ack: boolean;
  downlink?: string[];
}

export interface RawConfig {
  data: string;
  schemas?: string;
  devices?: string;
  mqtt: {
    listeners: RawListener[];
    unrouted: 'forward' | 'reject';
    observers?: string[];
    limits: {
      packet: string;
      connections: number;
      topicBytes: number;
      topicLevels: number;
      clientIdBytes: number;
      keepalive: string;
      inFlight: number;
      subscriptions: number;
      sessions: number;
      offlineMessages: number;
      offline: string;
      retainedMessages: number;
      retained: string;
    };
  };
  serial: RawSerialPort[];
  http: false | RawListener;
  store: {
    maxBytes: string;
    minFreeDisk: string;
    whenFull: 'refuse' | 'drop-oldest';
    commitDelay: string;
    rejected: { maxBytes: string; maxAge: string };
  };
  limits: {
    payloadBytes: string;
    payloadDepth: number;
    payloadKeys: number;
    series: number;
    seriesPerMeasurement?: number;
    seriesAge: string;
  };
  sinks: (RawEmbeddedSink | RawInfluxSink)[];
  measurements?: string;
  clock?: { untilFile?: string };
  log: { level: 'debug' | 'info' | 'warn' | 'error'; format: 'auto' | 'json' | 'pretty' };
}
