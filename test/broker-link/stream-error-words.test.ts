import { describe, expect, test } from 'vitest';
import type { BrokerConnection } from '../../gateway/broker-link/broker-connection.ts';
import { noBrokerWords } from '../../gateway/broker-link/reason-words.ts';
import { streamErrorWords, unansweredWords } from '../../gateway/broker-link/stream-error-words.ts';
import { CONNECTION } from '../support/broker-connection.ts';

type Some = Partial<Omit<BrokerConnection, 'tls'>> & { readonly tls?: Partial<BrokerConnection['tls']> };

function connectionWith(some: Some): BrokerConnection {
  return { ...CONNECTION, url: 'mqtts://h:8883', ...some, tls: { ...CONNECTION.tls, ...some.tls } };
}

function wordsOf(code: string, message: string, some: Some = {}): string {
  const error = Object.assign(new Error(message), code === '' ? {} : { code });
  const { words, final } = streamErrorWords(connectionWith(some), error, false);
  return `${final ? 'final: ' : ''}${words}`;
}

/** As OpenSSL writes it. */
function alert(reason: string): string {
  return `80CC69CE627F0000:error:0A00045C:SSL routines:ssl3_read_bytes:${reason}:../deps/openssl/rec_layer_s3.c:1601:SSL alert number 116\n`;
}

const OURS = { tls: { certFile: '/c.pem', keyFile: '/k.pem' } };

describe('why a broker cannot be connected to, with what to do about it:', () => {
  test.each<[code: string, message: string, some: Some, words: string]>([
    [
      'SELF_SIGNED_CERT_IN_CHAIN',
      'self-signed certificate in certificate chain',
      {},
      'final: nobody known here has signed the certificate of h:8883 (self-signed certificate in certificate chain): set caFile to that of its authority',
    ],
    [
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      'unable to verify the first certificate',
      { tls: { caFile: '/ca.pem' } },
      'final: the certificate of h:8883 is not signed by what /ca.pem holds (unable to verify the first certificate)',
    ],
    ['CERT_HAS_EXPIRED', 'x', {}, 'final: the certificate of h:8883 has expired: renew it there'],
    [
      'CERT_NOT_YET_VALID',
      'x',
      {},
      'final: the certificate of h:8883 is not valid yet: are the clocks right, here and there?',
    ],
    [
      'ERR_TLS_CERT_ALTNAME_INVALID',
      "Hostname/IP does not match certificate's altnames: Host: h. is not in the cert's altnames: DNS:a, DNS:b",
      {},
      'final: the certificate of h:8883 is for DNS:a, DNS:b, not for h: write one of these in the url, or as serverName',
    ],
    [
      'ERR_TLS_CERT_ALTNAME_INVALID',
      'Cert does not contain a DNS name',
      { tls: { serverName: 'n' } },
      'final: the certificate of h:8883 is not for n (Cert does not contain a DNS name): set serverName to the name that it is for',
    ],
    [
      'ERR_TLS_CERT_ALTNAME_INVALID',
      "Hostname/IP does not match certificate's altnames: IP: 10.0.0.1 is not in the cert's list: ",
      { url: 'mqtts://10.0.0.1' },
      'final: the certificate of 10.0.0.1:8883 is for names, and for no IP address like 10.0.0.1: write the name that it is for in the url, or as serverName',
    ],
    [
      'ERR_TLS_CERT_ALTNAME_INVALID',
      "Hostname/IP does not match certificate's altnames: IP: 10.0.0.1 is not in the cert's list: 10.0.0.2, ::1",
      { url: 'mqtts://10.0.0.1' },
      'final: the certificate of 10.0.0.1:8883 is for 10.0.0.2, ::1, not for 10.0.0.1: write one of these in the url, or as serverName',
    ],
    [
      'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
      alert('tlsv13 alert certificate required'),
      {},
      'final: h:8883 wants a certificate of ours: set certFile and keyFile',
    ],
    [
      'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE',
      alert('sslv3 alert handshake failure'),
      {},
      'final: h:8883 ended the handshake of TLS: it may want a certificate of ours (certFile and keyFile)',
    ],
    [
      'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
      alert('tlsv1 alert unknown ca'),
      OURS,
      'final: h:8883 does not know who has signed our certificate (/c.pem)',
    ],
    [
      'ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED',
      alert('sslv3 alert certificate expired'),
      OURS,
      'final: h:8883 says that our certificate (/c.pem) has expired',
    ],
    [
      'ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE',
      alert('sslv3 alert bad certificate'),
      OURS,
      'final: h:8883 does not take our certificate (/c.pem): bad certificate',
    ],
    [
      'EPROTO',
      `write EPROTO ${alert('wrong version number')}`,
      { url: 'wss://h:8884/mqtt' },
      'final: h:8884 speaks no TLS there: use ws://',
    ],
    ['EPROTO', `write EPROTO ${alert('something new')}`, {}, 'TLS with h:8883 failed: something new'],
    [
      'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
      alert('tlsv1 alert protocol version'),
      {},
      'final: h:8883 speaks no version of TLS that is spoken here (1.2 and 1.3)',
    ],
    [
      '',
      'Unexpected server response: 404',
      { url: 'ws://h/x?token=hush' },
      'h:80 answers 404 where WebSocket was asked for at /x: look at the path of url, which is /mqtt with many',
    ],
    [
      '',
      'Unexpected server response: 502',
      { url: 'ws://h/mqtt' },
      'h:80 answers 502 where WebSocket was asked for at /mqtt: the broker behind it may be away',
    ],
    [
      '',
      'Unexpected server response: 403',
      { url: 'ws://h/mqtt' },
      'final: h:80 answers 403 where WebSocket was asked for at /mqtt: it lets nobody in like this',
    ],
    [
      'ECONNRESET',
      'read ECONNRESET',
      { url: 'mqtt://h' },
      'h:1883 cut the connection before it had answered (if it wants TLS there, mqtts://)',
    ],
    ['ECONNREFUSED', '', { url: 'mqtt://h' }, 'nobody listens at h:1883'],
    ['', 'whatever', {}, 'whatever'],
  ])('%s %s %o', (code, message, some, words) => {
    expect(wordsOf(code, message, some)).toBe(words);
    // On one line.
    expect(words).not.toContain('\n');
  });

  test('no other scheme is proposed to a broker that has taken us', () => {
    const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
    expect(streamErrorWords(connectionWith({}), reset, true).words).toBe('h:8883 cut the connection');
  });

  test('what closes without an answer may speak something else', () => {
    expect(unansweredWords(connectionWith({ url: 'ws://h', protocolVersion: 5 }))).toBe(
      ' before it had answered (if it wants TLS there, wss://; if it speaks no WebSocket there, mqtt:// or mqtts://; if it does not speak MQTT 5, protocol: 3.1.1)',
    );
  });

  test('what comes first tells whether a broker is there', () => {
    expect(noBrokerWords(Buffer.from([0x20, 2, 0, 5]))).toBeNull();
    expect(noBrokerWords(Buffer.from('HTTP/1.1 400 Bad Request'))).toMatch(/a web server$/);
    expect(noBrokerWords(Buffer.from([0x15, 3, 3]))).toMatch(/speaks TLS: try mqtts/);
    expect(noBrokerWords(Buffer.from('SSH-2.0'))).toMatch(/no answer to CONNECT$/);
  });
});
