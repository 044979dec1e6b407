/** Certificates for a test's own servers, made by openssl. */
import { join } from 'node:path';
import { run } from './processes.ts';

/**
 * Writes into `folder`: ca.crt and ca.key, an authority; server.crt and server.key, which it signed for `localhost` and
 * 127.0.0.1; with `client`, also client.crt and client.key for this name.
 */
export async function makeCertificates(folder: string, client?: string): Promise<void> {
  const at = (name: string): string => join(folder, name);
  const request = ['req', '-newkey', 'rsa:2048', '-nodes', '-batch'];
  await openssl(
    ...[...request, '-x509', '-days', '2', '-subj', '/CN=Test authority'],
    ...['-keyout', at('ca.key'), '-out', at('ca.crt')],
  );
  const sign = async (name: string, ...subject: string[]): Promise<void> => {
    await openssl(...request, ...subject, '-keyout', at(`${name}.key`), '-out', at(`${name}.csr`));
    await openssl(
      ...[
        'x509',
        '-req',
        '-days',
        '2',
        '-in',
        at(`${name}.csr`),
        '-CA',
        at('ca.crt'),
        '-CAkey',
        at('ca.key'),
      ],
      ...['-CAcreateserial', '-copy_extensions', 'copy', '-out', at(`${name}.crt`)],
    );
  };
  await sign('server', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1');
  if (client !== undefined) await sign('client', '-subj', `/CN=${client}`);
}

async function openssl(...args: string[]): Promise<void> {
  const { code, stderr } = await run('openssl', args);
  if (code !== 0) throw new Error(`openssl ended with ${code}: ${stderr}`);
}
