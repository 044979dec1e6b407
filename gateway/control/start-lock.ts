import { statSync } from 'node:fs';
import { createServer } from 'node:net';
import { platform } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayError } from '../errors.ts';

const TRY_EVERY_MS = 20;
const GIVE_UP_MS = 5_000;
/** The sockets of a process that dies do not all close in one instant. */
const GONE_WITHIN_MS = 500;

/**
 * Held while one process looks whether the control socket is stale and replaces it: without it, two that start at once
 * could each remove the other's. On Linux it is a name in the abstract socket space, which the kernel frees when its
 * holder dies. Elsewhere there is no such thing, and two starts within the same milliseconds over a stale socket are
 * not told apart.
 * @throws GatewayError `data-in-use` where it cannot be had in time.
 */
export function lockStart(dataDir: string): Promise<() => void> {
  const busy = `another gateway is starting on the data folder ${dataDir}`;
  return holdName('telemetry-gateway-start', dataDir, GIVE_UP_MS, busy);
}

/**
 * Held beside the control socket for as long as the folder is in use: that file can be deleted under a running gateway,
 * and two that write one store lose what they acknowledge. On Linux only, as above.
 * @throws GatewayError `data-in-use`.
 */
export function lockFolder(dataDir: string): Promise<() => void> {
  const busy = `another gateway has the data folder ${dataDir} in use, although its control socket is gone; end it first`;
  return holdName('telemetry-gateway', dataDir, GONE_WITHIN_MS, busy);
}

async function holdName(kind: string, dataDir: string, giveUpMs: number, busy: string): Promise<() => void> {
  if (platform() !== 'linux') return () => undefined;
  const { dev, ino } = statSync(dataDir);
  const name = `\0${kind}/${dev}/${ino}`;
  for (let waitedMs = 0; waitedMs < giveUpMs; waitedMs += TRY_EVERY_MS) {
    const unlock = await tryListen(name);
    if (unlock !== null) return unlock;
    await sleep(TRY_EVERY_MS);
  }
  throw new GatewayError('data-in-use', busy);
}

function tryListen(name: string): Promise<(() => void) | null> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', () => resolve(null));
    server.listen(name, () => resolve(() => server.close()));
    server.unref();
  });
}
