import { connectAsync, type MqttClient } from 'mqtt';

export interface Arrival {
  readonly topic: string;
  readonly payload: string;
  readonly retain: boolean;
}

/** A subscriber of another broker that keeps its session while the broker is away, and everything it was sent. */
export class UpstreamInbox {
  readonly arrivals: Arrival[] = [];
  readonly #client: MqttClient;

  private constructor(client: MqttClient) {
    this.#client = client;
  }

  static async open(port: number, filter = '#', clientId = 'inbox'): Promise<UpstreamInbox> {
    const client = await connectAsync(`mqtt://127.0.0.1:${port}`, {
      clientId,
      clean: false,
      reconnectPeriod: 100,
      resubscribe: false,
    });
    client.on('error', () => undefined);
    const inbox = new UpstreamInbox(client);
    client.on('message', (topic, payload, { retain }) =>
      inbox.arrivals.push({ topic, payload: payload.toString(), retain }),
    );
    await client.subscribeAsync(filter, { qos: 1 });
    return inbox;
  }

  /** Of a topic, each payload where it came first. */
  firsts(topic: string): string[] {
    return [...new Set(this.arrivals.filter((each) => each.topic === topic).map(({ payload }) => payload))];
  }

  async close(): Promise<void> {
    await this.#client.endAsync(true);
  }
}
