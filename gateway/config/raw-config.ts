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

export interface RawWill {
  topic: string;
  payload: string;
  qos: 0 | 1 | 2;
  retain: boolean;
}

/** What entries of `brokers:` and `forward:` have in common. */
export interface RawBrokerConnection {
  url: string;
  protocol: '3.1.1' | 5;
  clientId?: string;
  username?: string;
  password?: string;
  passwordFile?: string;
  caFile?: string;
  certFile?: string;
  keyFile?: string;
  serverName?: string;
  insecure: boolean;
  cleanStart: boolean;
  sessionExpiry: string;
  keepalive: string;
  will?: RawWill;
}

export interface RawSubscription {
  topic: string;
  qos: 0 | 1 | 2;
  share?: string;
}

export interface RawBroker extends RawBrokerConnection {
  name: string;
  subscribe: (string | RawSubscription)[];
  maxInFlight: number;
  receipts?: string;
  retained: 'changed' | 'none' | 'all';
}

export interface RawForward extends Omit<RawBrokerConnection, 'url' | 'cleanStart' | 'sessionExpiry'> {
  name: string;
  url?: string;
  broker?: string;
  topics: string[];
  send: 'valid' | 'readings' | 'raw';
  prefix: string;
  retain: boolean;
  maxInFlight: number;
  maxBacklog: string;
  whenFull: 'block' | 'drop-oldest';
}

export interface RawPeer
  extends Omit<RawBrokerConnection, 'protocol' | 'cleanStart' | 'sessionExpiry' | 'will'> {
  name: string;
  standIn?: string;
  maxInFlight: number;
  maxBacklog: string;
}

export interface RawPeers {
  name: string;
  others: RawPeer[];
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
  brokers: RawBroker[];
  forward: RawForward[];
  peers?: RawPeers;
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
