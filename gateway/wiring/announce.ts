import { shownUrl } from '../broker-link/broker-stream.ts';
import { keptNothingWords } from '../broker-link/kept-session.ts';
import type { GatewayConfig, SinkConfig } from '../config/gateway-config.ts';
import { SHARES_NOTHING, sharesNothing } from '../config/peers.ts';
import type { Events } from '../monitoring/events.ts';

/** What is known only once the gateway runs. */
export interface Started {
  readonly version: string;
  /** The ports in use, in the order of the configuration's listeners: 0 there means that the system chose. */
  readonly mqttPorts: readonly number[];
  readonly httpPort: number | null;
  /** `$id` of each schema in force. */
  readonly schemas: readonly string[];
}

/** Says in plain words who can connect, which readings are understood, where they go and where to look. */
export function announce(events: Events, config: GatewayConfig, started: Started): void {
  if (config.file === null) events.emit('start.defaults');
  for (const [i, listener] of config.mqtt.listeners.entries()) {
    const port = started.mqttPorts[i] ?? listener.port;
    events.emit('start.mqtt', {
      address: address(listener.host, port),
      who: whoCanConnect(listener.anonymous),
    });
  }
  if (config.http !== null) {
    const { host, port, anonymous } = config.http;
    const url = `http://${address(host, started.httpPort ?? port)}`;
    events.emit('start.http', { url, who: whoCanConnect(anonymous) });
  }
  for (const { name, connection, subscribe } of config.brokers) {
    events.emit('start.broker', {
      broker: name,
      url: shownUrl(connection),
      client: connection.clientId,
      topics: subscribe.map(({ filter }) => filter).join(', '),
    });
    const words = keptNothingWords(connection);
    if (words !== null) events.emit('start.broker-keeps-nothing', { broker: name, words });
  }
  const { schemas } = started;
  events.emit('start.schemas', {
    count: schemas.length,
    folder: config.schemasDir,
    names: schemas.length === 0 ? 'none' : schemas.join(', '),
  });
  events.emit('start.store', { folder: config.dataDir });
  for (const sink of config.sinks) events.emit('start.sink', { sink: sink.name, where: describeSink(sink) });
  for (const { name, topics, connection } of config.forward)
    events.emit('start.forward', { forward: name, topics: topics.join(', '), url: shownUrl(connection) });
  for (const { name, link } of config.peers?.others ?? [])
    events.emit('start.peer', { peer: name, url: shownUrl(link.connection), name: config.peers?.name ?? '' });
  if (sharesNothing(config)) events.emit('start.peers-apart', { words: SHARES_NOTHING });
  events.emit('gateway.started', { version: started.version });
}

/** Where a sink writes, in words, without its secrets. */
export function describeSink(sink: SinkConfig): string {
  if (sink.type === 'embedded') return 'the embedded database';
  const target = sink.database === null ? `bucket ${sink.bucket ?? ''}` : `database ${sink.database}`;
  return `InfluxDB at ${sink.url}, ${target}`;
}

function whoCanConnect(anonymous: boolean): string {
  return anonymous
    ? 'anyone who reaches this address, without a password'
    : 'programs on this machine only, without a password';
}

function address(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
