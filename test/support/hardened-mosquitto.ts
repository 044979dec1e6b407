/** The shipped mosquitto.conf with its paths filled in, as somebody would who follows examples/mosquitto/README.md. */
import { chmodSync, copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY } from './gateway-process.ts';
import { freePort, run } from './processes.ts';
import { type Server, startMosquitto } from './servers.ts';
import { temporaryFolder } from './temporary-folder.ts';

export interface HardenedMosquitto extends Server {
  readonly tlsPort: number;
  /** What it runs with. */
  readonly conf: string;
  /** Of the authority that signed the broker's certificate. */
  readonly caFile: string;
  /** Where the certificates lie. */
  readonly folder: string;
  /** Arguments for `mosquitto_pub`, over TLS. */
  as(user: string, password: string): string[];
}

export interface HardenedOptions {
  readonly passwords: Readonly<Record<string, string>>;
  /** Lines after `#` in the part about the bridge count, with this port instead of 1884. */
  readonly bridgeTo?: number;
  /** The listener for browsers counts, with this port instead of 8884. */
  readonly webSocketPort?: number;
  /** The listener for a gateway on another machine counts, with this port instead of 8885. */
  readonly elsewherePort?: number;
  readonly change?: (conf: string) => string;
  /** As many files as it may open. */
  readonly maxFiles?: number;
}

const BRIDGE_PART = '# ── The other way';

export async function startHardenedMosquitto(options: HardenedOptions): Promise<HardenedMosquitto> {
  const folder = temporaryFolder('hardened');
  const data = join(folder, 'data');
  mkdirSync(data);
  // Started by root, it becomes the user mosquitto.
  chmodSync(folder, 0o755);
  chmodSync(data, 0o777);
  await follow('3. Certificates', folder);
  if (options.elsewherePort !== undefined) {
    await follow('A gateway on another machine', folder);
    chmodSync(join(folder, 'gateways-ca.crt'), 0o644);
  }
  await makePasswords(join(folder, 'passwd'), options.passwords);
  copyFileSync(join(REPOSITORY, 'examples/mosquitto/acl'), join(folder, 'acl'));
  for (const file of ['passwd', 'acl', 'server.key', 'server.crt', 'ca.crt']) {
    chmodSync(join(folder, file), 0o644);
  }
  const tlsPort = await freePort();
  const shipped = readFileSync(join(REPOSITORY, 'mosquitto.conf'), 'utf8');
  const filled = withListener(
    withListener(withBridge(shipped, options.bridgeTo), 8884, options.webSocketPort),
    8885,
    options.elsewherePort,
  )
    .replaceAll('/etc/mosquitto/gateway/', `${folder}/`)
    .replace('/var/lib/mosquitto/', `${data}/`)
    .replace('\nlistener 8883\n', `\nlistener ${tlsPort} 127.0.0.1\n`)
    .replace('\nlistener 1883 127.0.0.1\n', '\nlistener PORT 127.0.0.1\n');
  const conf = options.change?.(filled) ?? filled;
  const { maxFiles } = options;
  const server = await startMosquitto({
    conf,
    ...(maxFiles === undefined ? {} : { under: ['prlimit', `--nofile=${maxFiles}`] }),
  });
  const caFile = join(folder, 'ca.crt');
  return {
    ...server,
    tlsPort,
    conf,
    folder,
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

/** Takes the `#` away from a listener, up to the next empty line. */
function withListener(conf: string, shipped: number, port: number | undefined): string {
  if (port === undefined) return conf;
  return conf.replace(new RegExp(`^#listener ${shipped}\\n(?:#.*\\n)*`, 'm'), (listener) =>
    listener.replace(/^#/gm, '').replace(`listener ${shipped}`, `listener ${port} 127.0.0.1`),
  );
}

/** Runs the commands of a part of the README, but for the owners of files, which only root can change, and services. */
async function follow(part: string, folder: string): Promise<void> {
  const readme = readFileSync(join(REPOSITORY, 'examples/mosquitto/README.md'), 'utf8');
  const from = readme.indexOf(`\n## ${part}\n`);
  const commands = /```sh\n([^`]*)```/.exec(readme.slice(from))?.[1] ?? 'exit 1';
  const here = commands
    .replaceAll('/etc/mosquitto/gateway', folder)
    .replace(/^(?=chown |systemctl )/gm, ': ');
  await succeeds('bash', ['-e', '-c', from === -1 ? 'exit 1' : here]);
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
