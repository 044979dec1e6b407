import type { BrokerConnection } from '../broker-link/broker-connection.ts';
import { shownUrl } from '../broker-link/broker-stream.ts';
import type { ForwardConfig, GatewayConfig } from './gateway-config.ts';

const HIDDEN = '(hidden)';

/** The configuration without its secrets, for people and logs. */
export function redacted(config: GatewayConfig): GatewayConfig {
  return {
    ...config,
    brokers: config.brokers.map((broker) => ({ ...broker, connection: withoutPassword(broker.connection) })),
    forward: config.forward.map(redactedForward),
    peers:
      config.peers === null
        ? null
        : {
            ...config.peers,
            others: config.peers.others.map((peer) => ({ ...peer, link: redactedForward(peer.link) })),
          },
    sinks: config.sinks.map((sink) =>
      sink.type === 'embedded'
        ? sink
        : {
            ...sink,
            password: sink.password === null ? null : HIDDEN,
            token: sink.token === null ? null : HIDDEN,
          },
    ),
  };
}

function redactedForward(forward: ForwardConfig): ForwardConfig {
  return { ...forward, connection: withoutPassword(forward.connection) };
}

/** What a will says may be anything; it is shown to whoever subscribes, but not here. */
function withoutPassword(connection: BrokerConnection): BrokerConnection {
  return { ...connection, url: shownUrl(connection), password: connection.password === null ? null : HIDDEN };
}
