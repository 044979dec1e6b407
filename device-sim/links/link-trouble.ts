/** What of the system stands in the way of a connection: code, cause, remedy, on one line. */
const REMEDIES: Readonly<Record<string, string>> = {
  EMFILE:
    'too-many-files: this process may open no more files, and each connection takes one; raise it: ulimit -n 65536',
  ENFILE: 'too-many-files: this machine may open no more files; raise it: sysctl fs.file-max',
  EADDRNOTAVAIL:
    'no-free-port: there is no free local port left for another connection to the same address; widen net.ipv4.ip_local_port_range, or let several devices share a connection',
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the other side cut the connection',
  EPIPE: 'the other side cut the connection',
  ETIMEDOUT: 'no answer',
  ENOTFOUND: 'there is no host of this name',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is signed by itself; name it as the CA (tls.caFile)',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is signed by nobody known; name the CA (tls.caFile)',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is signed by nobody known; name the CA (tls.caFile)',
};

/** Anything thrown or told by a socket, in words. */
export function troubleOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const message = error instanceof Error ? error.message : String(error);
  const remedy = REMEDIES[code];
  return remedy === undefined ? message : `${remedy} (${message === '' ? code : message})`;
}

/** Return codes of CONNACK (MQTT 3.1.1, 3.2.2.3). */
const REFUSALS = [
  '',
  'it does not speak MQTT 3.1.1',
  'the client id is not allowed',
  'the server is unavailable',
  'wrong user name or password',
  'not authorised',
];

export function refusalOf(code: number): string {
  return `refused: ${REFUSALS[code] ?? `return code ${code}`}`;
}
