/**
 * What the embedded broker takes from the network, and what it does beyond that. Every figure bounds something that a
 * client controls; each says what happens at the bound.
 */
export interface MqttLimits {
  /** Of one PUBLISH, header included. A larger one ends the connection as soon as its header has been read. */
  readonly maxPacketBytes: number;
  /** Of CONNECT (the only packet taken before a client is known), SUBSCRIBE and all others. Beyond: the connection ends. */
  readonly maxControlPacketBytes: number;
  /** Open sockets over all listeners. A further one is closed at once. */
  readonly maxConnections: number;
  /** From the opening of the socket to its CONNECT. Beyond: closed. */
  readonly connectTimeoutMs: number;
  /** In UTF-8, also of a filter. Beyond: a publisher is disconnected, a subscription refused. */
  readonly maxTopicBytes: number;
  /** At most 100. Beyond: as `maxTopicBytes`. */
  readonly maxTopicLevels: number;
  /** In UTF-8. Beyond: CONNACK 2 (identifier rejected). */
  readonly maxClientIdBytes: number;
  /** A client that asks for a longer keepalive, or for none (0), is watched as if it had asked for this one. */
  readonly maxKeepaliveSeconds: number;
  /**
   * QoS 2 transfers of one client that await their PUBREL. Beyond: disconnected. What else is in flight is bounded by the
   * socket: nothing more is read from a client until all of one read (64 KiB) is acknowledged.
   */
  readonly maxInFlight: number;
  /** Taken from clients and not yet on disk, over all. Beyond: nothing more is read until a commit. */
  readonly maxUncommittedBytes: number;
  /** Below this much not yet on disk, QoS 0 is let go at once; above, it too waits for its commit. */
  readonly freeQos0Bytes: number;
  /**
   * How long a client may wait for an acknowledgement or for room, at most half its keepalive (but at least 2 s): held
   * acknowledgements also hold up its PINGREQ. Beyond: disconnected without acknowledgement, so that it sends again.
   */
  readonly acknowledgeWithinMs: number;
  /** Packets that arrived in part, over all clients. Beyond: the client whose packet began first is disconnected. */
  readonly maxPartialBytes: number;
  /** Beyond: SUBACK 128. A SUBSCRIBE with more filters than this ends the connection. */
  readonly maxSubscriptionsPerClient: number;
  /** Over all clients. Beyond: SUBACK 128. */
  readonly maxSubscriptions: number;
  /** Waiting in memory for a subscriber that reads slowly. Beyond: its further messages are dropped until it caught up. */
  readonly maxSubscriberBacklogBytes: number;
  /** Sessions kept for clients that connect without `clean`. Beyond: the one away for longest is forgotten. */
  readonly maxSessions: number;
  /** Messages kept for one such session. Beyond: the newest is dropped. */
  readonly maxOfflineMessages: number;
  /** The same over all sessions. */
  readonly maxOfflineBytes: number;
  /** Retained messages. Beyond: a new one is not kept (and an older one of its topic is removed). */
  readonly maxRetainedMessages: number;
  readonly maxRetainedBytes: number;
  /** What the gateway itself keeps for later subscribers: states of devices. Beyond: as above. */
  readonly maxStates: number;
  readonly maxStateBytes: number;
  /** Receipts of rejections to one client: so many at once, then so many a second. Beyond: counted in its next one. */
  readonly receiptBurst: number;
  readonly receiptsPerSecond: number;
  /** The same for receipts of all other readings: one for each message of a quick device. */
  readonly takenReceiptBurst: number;
  readonly takenReceiptsPerSecond: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;

export const DEFAULT_MQTT_LIMITS: MqttLimits = {
  maxPacketBytes: MIB,
  maxControlPacketBytes: 64 * KIB,
  maxConnections: 20_000,
  connectTimeoutMs: 10_000,
  maxTopicBytes: 1024,
  maxTopicLevels: 32,
  maxClientIdBytes: 128,
  maxKeepaliveSeconds: 3600,
  maxInFlight: 4096,
  maxUncommittedBytes: 64 * MIB,
  freeQos0Bytes: 2 * MIB,
  acknowledgeWithinMs: 15_000,
  maxPartialBytes: 64 * MIB,
  maxSubscriptionsPerClient: 256,
  maxSubscriptions: 200_000,
  maxSubscriberBacklogBytes: 4 * MIB,
  maxSessions: 20_000,
  maxOfflineMessages: 1000,
  maxOfflineBytes: 64 * MIB,
  maxRetainedMessages: 10_000,
  maxRetainedBytes: 64 * MIB,
  maxStates: 50_000,
  maxStateBytes: 32 * MIB,
  receiptBurst: 20,
  receiptsPerSecond: 10,
  takenReceiptBurst: 1000,
  takenReceiptsPerSecond: 1000,
};
