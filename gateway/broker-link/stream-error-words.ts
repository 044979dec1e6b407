import type { BrokerConnection } from './broker-connection.ts';
import { type BrokerAddress, brokerAddress } from './broker-stream.ts';
import { isFinalTlsError } from './reason-words.ts';

export interface StreamError {
  readonly words: string;
  /** It is the same the next time, unless somebody acts. */
  readonly final: boolean;
}

interface Place {
  readonly connection: BrokerConnection;
  readonly scheme: BrokerAddress['scheme'];
  /** Host and port, for people. */
  readonly at: string;
}

/** What TLS reports of the broker's certificate: nobody that is trusted has signed it. */
const UNTRUSTED =
  /^(?:SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_(?:GET_ISSUER_CERT(?:_LOCALLY)?|VERIFY_LEAF_SIGNATURE))$/;
/** OpenSSL: bytes that are no TLS. */
const NO_TLS = /wrong version number|packet length too long|unknown protocol|http request/;
const OUR_CERTIFICATE =
  /alert (bad certificate|unsupported certificate|certificate revoked|certificate unknown|access denied|decrypt error)/;

const OTHER_SCHEME = { mqtt: 'mqtts', mqtts: 'mqtt', ws: 'wss', wss: 'ws' } as const;

/**
 * Why a stream to the broker broke, and what to do about it: nothing of what libraries say is left out, but where they say
 * it in their own terms.
 * @param wasTaken the broker had answered CONNECT
 */
export function streamErrorWords(connection: BrokerConnection, error: Error, wasTaken: boolean): StreamError {
  const address = brokerAddress(connection.url);
  const place: Place = {
    connection,
    scheme: address?.scheme ?? 'mqtt',
    at: address?.text ?? connection.url,
  };
  const code = 'code' in error ? String(error.code) : '';
  return (
    certificateWords(place, code, error) ??
    tlsWords(place, code, error) ??
    webSocketWords(place, error) ??
    systemErrorWords(place, code, error, wasTaken)
  );
}

/** What a connection that ended before the broker had answered CONNECT may have been made in the wrong way for. */
export function unansweredWords({ url, protocolVersion }: BrokerConnection): string {
  const scheme = brokerAddress(url)?.scheme ?? 'mqtt';
  const isSecure = scheme === 'mqtts' || scheme === 'wss';
  const other = `${isSecure ? 'if it speaks no TLS there' : 'if it wants TLS there'}, ${OTHER_SCHEME[scheme]}://`;
  const plain = scheme.startsWith('ws') ? ['if it speaks no WebSocket there, mqtt:// or mqtts://'] : [];
  const older = protocolVersion === 5 ? ['if it does not speak MQTT 5, protocol: 3.1.1'] : [];
  return ` before it had answered (${[other, ...plain, ...older].join('; ')})`;
}

function certificateWords(place: Place, code: string, error: Error): StreamError | null {
  const { connection, at } = place;
  const { caFile } = connection.tls;
  const final = (words: string): StreamError => ({ words, final: true });
  if (UNTRUSTED.test(code))
    return final(
      caFile === null
        ? `nobody known here has signed the certificate of ${at} (${error.message}): set caFile to that of its authority`
        : `the certificate of ${at} is not signed by what ${caFile} holds (${error.message})`,
    );
  if (code === 'CERT_HAS_EXPIRED') return final(`the certificate of ${at} has expired: renew it there`);
  if (code === 'CERT_NOT_YET_VALID')
    return final(`the certificate of ${at} is not valid yet: are the clocks right, here and there?`);
  if (code !== 'ERR_TLS_CERT_ALTNAME_INVALID') return null;
  const asked = connection.tls.serverName ?? brokerAddress(connection.url)?.host ?? '';
  // Node.js ends so where the certificate has none at all.
  if (/cert's (?:altnames|list):\s*$/.test(error.message))
    return final(
      `the certificate of ${at} is for names, and for no IP address like ${asked}: write the name that it is for in the url, or as serverName`,
    );
  const names = /cert's (?:altnames|list): (.+)$/.exec(error.message)?.[1];
  return final(
    names === undefined
      ? `the certificate of ${at} is not for ${asked} (${error.message}): set serverName to the name that it is for`
      : `the certificate of ${at} is for ${names}, not for ${asked}: write one of these in the url, or as serverName`,
  );
}

function tlsWords({ connection, scheme, at }: Place, code: string, error: Error): StreamError | null {
  const reason = tlsReason(code, error.message);
  if (reason === null) return null;
  const { certFile, serverName } = connection.tls;
  const ours = certFile === null ? 'our certificate' : `our certificate (${certFile})`;
  const final = (words: string): StreamError => ({ words, final: true });
  if (NO_TLS.test(reason)) return final(`${at} speaks no TLS there: use ${OTHER_SCHEME[scheme]}://`);
  if (reason.includes('alert certificate required'))
    return final(`${at} wants a certificate of ours: set certFile and keyFile`);
  if (reason.includes('alert handshake failure') && certFile === null)
    return final(
      `${at} ended the handshake of TLS: it may want a certificate of ours (certFile and keyFile)`,
    );
  if (reason.includes('alert unknown ca')) return final(`${at} does not know who has signed ${ours}`);
  if (reason.includes('alert certificate expired')) return final(`${at} says that ${ours} has expired`);
  const refusal = OUR_CERTIFICATE.exec(reason)?.[1];
  if (refusal !== undefined) return final(`${at} does not take ${ours}: ${refusal}`);
  if (/alert protocol version|unsupported protocol/.test(reason))
    return final(`${at} speaks no version of TLS that is spoken here (1.2 and 1.3)`);
  if (reason.includes('unrecognized name'))
    return final(
      `${at} has no certificate for ${serverName ?? 'this name'}: set serverName to one that it has`,
    );
  return { words: `TLS with ${at} failed: ${reason}`, final: isFinalTlsError(code) };
}

/** What OpenSSL says, without what is of use to its own authors alone; null where it said nothing. */
function tlsReason(code: string, message: string): string | null {
  const said = /error:[0-9A-F]+:[^:]*:[^:]*:([^:]+)/.exec(message)?.[1];
  if (said !== undefined) return said;
  return isFinalTlsError(code) ? message : null;
}

/** `ws` says it in this way only. */
function webSocketWords({ connection, at }: Place, error: Error): StreamError | null {
  const status = Number(/^Unexpected server response: (\d+)$/.exec(error.message)?.[1] ?? 0);
  if (status === 0) return null;
  const path = URL.canParse(connection.url) ? new URL(connection.url).pathname : '/';
  const said = `${at} answers ${status} where WebSocket was asked for at ${path}`;
  if (status === 401 || status === 403) return { words: `${said}: it lets nobody in like this`, final: true };
  if (status >= 500) return { words: `${said}: the broker behind it may be away`, final: false };
  const hint = path === '/mqtt' ? '' : ', which is /mqtt with many';
  return { words: `${said}: look at the path of url${hint}`, final: false };
}

function systemErrorWords(
  { connection, at }: Place,
  code: string,
  error: Error,
  wasTaken: boolean,
): StreamError {
  const cut = `${at} cut the connection${wasTaken ? '' : unansweredWords(connection)}`;
  const known: Readonly<Record<string, string>> = {
    ECONNREFUSED: `nobody listens at ${at}`,
    ENOTFOUND: `there is no host ${at}`,
    EAI_AGAIN: `the name of ${at} cannot be looked up`,
    ETIMEDOUT: `${at} does not answer`,
    EHOSTUNREACH: `${at} cannot be reached`,
    ENETUNREACH: `${at} cannot be reached`,
    ECONNRESET: cut,
    EPIPE: cut,
  };
  return {
    words: known[code] ?? (error.message === '' ? `${at}: ${code}` : error.message),
    final: isFinalTlsError(code),
  };
}
