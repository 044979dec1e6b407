import { statSync } from 'node:fs';
import { createServer } from 'node:net';
import { platform } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayError } from '../errors.ts';

const TRY_EVERY_MS = 20;
const GIVE_UP_MS = 5_000;

/**
 * Held while one process looks whether the control socket is stale and replaces it: without it, two that start at once
 * could each remove the other's. On Linux it is a name in the abstract socket space, which the kernel frees when its
 * holder dies. Elsewhere there is no such thing, and two starts within the same milliseconds over a stale socket are
 * not told apart.
 * @throws GatewayError `data-in-use` where it cannot be had in time.
 */
export async function lockStart(dataDir: string): Promise<() => void> {
  if (platform() !== 'linux') return () => undefined;
  const { dev, ino } = statSync(dataDir);
  const name = `\0telemetry-gateway-start/${dev}/${ino}`;
  for (let waitedMs = 0; waitedMs < GIVE_UP_MS; waitedMs += TRY_EVERY_MS) {
    const unlock = await tryListen(name);
    if (unlock !== null) return unlock;
    await sleep(TRY_EVERY_MS);
  }
  throw new GatewayError('data-in-use', `another gateway is starting on the data folder ${dataDir}`);
}

function tryListen(name: string): Promise<(() => void) | null> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', () => resolve(null));
    server.listen(name, () => resolve(() => server.close()));
  });
}
