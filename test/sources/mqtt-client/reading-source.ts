import type { Clock, Ingest, Ingested, Message } from '../../../gateway/contracts.ts';
import { GatewayError } from '../../../gateway/errors.ts';
import {
  createMqttClientSource,
  type MqttClientDeps,
  type MqttClientOptions,
  type MqttClientSource,
} from '../../../gateway/sources/mqtt-client.ts';
import { CONNECTION } from '../../support/broker-connection.ts';
import type { Scripted, ScriptedBroker, ScriptedBrokerOptions } from './scripted-broker.ts';

export const READER: MqttClientOptions['connection'] = {
  ...CONNECTION,
  url: 'mqtt://broker.test:1883',
  clientId: 'reader',
  cleanStart: false,
  sessionExpirySeconds: 3600,
};

/** Pauses end at once, but let everybody else have a turn. */
export const quickClock: Clock = {
  nowMs: () => 1_700_000_000_000,
  monotonicMs: () => performance.now(),
  sleep: (_ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted !== true) setTimeout(resolve, 1);
      else resolve();
    }),
};

export function sourceOn(
  broker: ScriptedBroker,
  ingest: Ingest,
  options: Partial<MqttClientOptions> = {},
  events: string[] = [],
  deps: Partial<MqttClientDeps> = {},
): MqttClientSource {
  let remembered: string | null = null;
  return createMqttClientSource(
    {
      name: 'house',
      connection: READER,
      subscribe: [{ filter: 'sensors/#', qos: 1, share: null }],
      maxInFlight: 1000,
      receipts: null,
      retained: 'changed',
      ...options,
    },
    {
      ingest,
      events: { emit: (name, fields) => events.push(`${name} ${JSON.stringify(fields)}`) },
      clock: quickClock,
      random: () => 0,
      remembered: {
        get: () => remembered,
        set: async (text) => {
          remembered = text;
        },
      },
      deviceOf: () => null,
      open: broker.open,
      ...deps,
    },
  );
}

/** Commits what it is given, a group at a time, when it is told to. */
export class GroupedIngest implements Ingest {
  readonly committed = new Set<string>();
  readonly taken: Message[] = [];
  readonly released_: number[] = [];
  /** Whose packet ids were released, or cleared. */
  readonly clients = new Set<string>();
  cleared = 0;
  /** Of a lost session. */
  forgets: () => Promise<void> = () => Promise.resolve();
  uncommitted = 0;
  mostUncommitted = 0;
  #group: {
    promise: Promise<void>;
    resolve: () => void;
    reject: (error: Error) => void;
    topics: string[];
  } | null = null;
  readonly #refuses: () => boolean;

  constructor(refuses: () => boolean = () => false) {
    this.#refuses = refuses;
  }

  ingest(message: Message): Ingested {
    if (this.#refuses()) throw new GatewayError('store-full', 'the store is full');
    this.taken.push({ ...message, payload: Buffer.from(message.payload) });
    this.#group ??= withResolvers();
    this.#group.topics.push(message.topic);
    this.uncommitted += 1;
    this.mostUncommitted = Math.max(this.mostUncommitted, this.uncommitted);
    return { outcomes: [{ kind: 'stored', receipt: null }], committed: this.#group.promise };
  }

  released(client: string, packetId: number): Promise<void> {
    this.clients.add(client);
    this.released_.push(packetId);
    return Promise.resolve();
  }

  sessionCleared(): void {
    throw new Error('a broker begins no clean session with us');
  }

  sessionLost(client: string): Promise<void> {
    this.clients.add(client);
    this.cleared += 1;
    return this.forgets();
  }

  /** Ends the open group: on disk, or not. */
  endGroup(fails: boolean): void {
    const group = this.#group;
    this.#group = null;
    if (group === null) return;
    this.uncommitted -= group.topics.length;
    if (fails) {
      group.reject(new GatewayError('store-unavailable', 'the disk fails'));
      return;
    }
    for (const topic of group.topics) this.committed.add(topic);
    group.resolve();
  }
}

function withResolvers(): {
  promise: Promise<void>;
  resolve: () => void;
  reject: (error: Error) => void;
  topics: string[];
} {
  let resolve = (): void => undefined;
  let reject = (_error: Error): void => undefined;
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject, topics: [] };
}

export function messagesOf(qoses: readonly (0 | 1 | 2)[]): Scripted[] {
  return qoses.map((qos, i) => ({
    id: i + 1,
    topic: `sensors/m${i + 1}`,
    payload: `{"n":${i}}`.padEnd((i * 37) % 200),
    qos,
    state: 'waiting',
  }));
}

export const ALWAYS: Pick<ScriptedBrokerOptions, 'chunkBytes' | 'cuts' | 'onAnswer'> = {
  chunkBytes: () => 1e6,
  cuts: () => false,
  onAnswer: () => undefined,
};
