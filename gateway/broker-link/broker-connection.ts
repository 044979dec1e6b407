/** How to reach another MQTT broker, and as whom: what `brokers:`, `forward:` and `check --live` have in common. */
export interface BrokerConnection {
  /** `mqtt`, `mqtts`, `ws` or `wss`; without user and password. */
  readonly url: string;
  /** 4: MQTT 3.1.1. */
  readonly protocolVersion: 4 | 5;
  readonly clientId: string;
  readonly username: string | null;
  /** As it was when the configuration was read; see `currentPassword`. */
  readonly password: string | null;
  /** Absolute: where it is read again for each connection; null: it does not come from a file. */
  readonly passwordFile: string | null;
  readonly keepaliveSeconds: number;
  /** Begin a new session at each connection. */
  readonly cleanStart: boolean;
  /** How long the broker keeps the session while we are away; told to it with MQTT 5 only. */
  readonly sessionExpirySeconds: number;
  readonly tls: {
    /** Absolute; null: the authorities that Node.js knows. */
    readonly caFile: string | null;
    /** The client's certificate and key, absolute; null: none. */
    readonly certFile: string | null;
    readonly keyFile: string | null;
    /** The name in the broker's certificate, where it is not that in the URL. */
    readonly serverName: string | null;
    /** Do not check the broker's certificate. */
    readonly insecure: boolean;
  };
  readonly will: BrokerWill | null;
}

export interface BrokerWill {
  readonly topic: string;
  readonly payload: string;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
}
