/** The shipped mosquitto.conf with its paths filled in, as somebody would who follows the comment at its top. */
import { chmodSync, copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeCertificates } from './certificates.ts';
import { REPOSITORY } from './gateway-process.ts';
import { freePort, run } from './processes.ts';
import { type Server, startMosquitto } from './servers.ts';
import { temporaryFolder } from './temporary-folder.ts';

export interface HardenedMosquitto extends Server {
  readonly tlsPort: number;
  /** Of the authority that signed the broker's certificate. */
  readonly caFile: string;
  /** Arguments for `mosquitto_pub`, over TLS. */
  as(user: string, password: string): string[];
}

export interface HardenedOptions {
  readonly passwords: Readonly<Record<string, string>>;
  /** Lines after `#` in the part about the bridge count, with this port instead of 1884. */
  readonly bridgeTo?: number;
  readonly change?: (conf: string) => string;
}

const BRIDGE_PART = '# ── The other way';

export async function startHardenedMosquitto(options: HardenedOptions): Promise<HardenedMosquitto> {
  const folder = temporaryFolder('hardened');
  const data = join(folder, 'data');
  mkdirSync(data);
  // Started by root, it becomes the user mosquitto.
  chmodSync(folder, 0o755);
  chmodSync(data, 0o777);
  await makeCertificates(folder);
  await makePasswords(join(folder, 'passwd'), options.passwords);
  copyFileSync(join(REPOSITORY, 'examples/mosquitto/acl'), join(folder, 'acl'));
  for (const file of ['passwd', 'acl', 'server.key', 'server.crt', 'ca.crt']) {
    chmodSync(join(folder, file), 0o644);
  }
  const tlsPort = await freePort();
  const shipped = readFileSync(join(REPOSITORY, 'mosquitto.conf'), 'utf8');
  const filled = withBridge(shipped, options.bridgeTo)
    .replaceAll('/etc/mosquitto/gateway/', `${folder}/`)
    .replace('/var/lib/mosquitto/', `${data}/`)
    .replace('\nlistener 8883\n', `\nlistener ${tlsPort} 127.0.0.1\n`)
    .replace('\nlistener 1883 127.0.0.1\n', '\nlistener PORT 127.0.0.1\n');
  const server = await startMosquitto({ conf: options.change?.(filled) ?? filled });
  const caFile = join(folder, 'ca.crt');
  return {
    ...server,
    tlsPort,
    caFile,
    as: (user, password) => [
      ...['-h', 'localhost', '-p', String(tlsPort), '--cafile', caFile],
      ...['-u', user, '-P', password],
    ],
  };
}

/** Takes the `#` away from what stands behind it without a space, in the part about the bridge. */
function withBridge(conf: string, port: number | undefined): string {
  if (port === undefined) return conf;
  const from = conf.indexOf(BRIDGE_PART);
  const bridge = conf.slice(from).replace(/^#(?=[a-z])/gm, '');
  return (
    conf.slice(0, from) +
    bridge
      .replace('address 127.0.0.1:1884', `address 127.0.0.1:${port}`)
      .replace('restart_timeout 1 30', 'restart_timeout 1 1')
  );
}

async function makePasswords(file: string, passwords: Readonly<Record<string, string>>): Promise<void> {
  let first = true;
  for (const [user, password] of Object.entries(passwords)) {
    await succeeds('mosquitto_passwd', [...(first ? ['-c'] : []), '-b', file, user, password]);
    first = false;
  }
}

async function succeeds(program: string, args: readonly string[]): Promise<void> {
  const { code, stderr } = await run(program, args);
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${stderr}`);
}
