import type { BrokerConnection } from '../../gateway/broker-link/broker-connection.ts';

/** To another broker, or a peer: nothing in it but what the configuration gives each connection. */
export const CONNECTION: BrokerConnection = {
  url: 'mqtt://broker.test',
  protocolVersion: 4,
  clientId: 'x',
  username: null,
  password: null,
  passwordFile: null,
  keepaliveSeconds: 60,
  cleanStart: true,
  sessionExpirySeconds: 0,
  tls: { caFile: null, certFile: null, keyFile: null, serverName: null, insecure: false },
  will: null,
};
