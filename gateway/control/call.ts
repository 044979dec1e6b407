import { connect, type Socket } from 'node:net';
import { platform } from 'node:os';
import { GatewayError } from '../errors.ts';
import { MAX_ANSWER_BYTES, parseAnswer } from './protocol.ts';
import { readLine } from './read-line.ts';
import { openSocketPath } from './socket-path.ts';

const ANSWER_TIMEOUT_MS = 30_000;
const CONNECT_ATTEMPTS = 5;

/**
 * Asks the gateway that runs on this data folder.
 * @throws GatewayError `not-running` where none does, or the error that the gateway answered.
 */
export async function callControl(
  dataDir: string,
  op: string,
  args: Readonly<Record<string, unknown>> = {},
  timeoutMs = ANSWER_TIMEOUT_MS,
): Promise<unknown> {
  const socket = await connectControl(dataDir);
  if (socket === null) throw new GatewayError('not-running', `no gateway runs on ${dataDir}`);
  try {
    socket.write(`${JSON.stringify({ op, args })}\n`);
    const line = await readLine(socket, { maxBytes: MAX_ANSWER_BYTES, timeoutMs });
    const answer = line === null ? null : parseAnswer(line);
    if (answer === null)
      throw new GatewayError('not-running', `the gateway on ${dataDir} took the question but gave no answer`);
    if (!answer.ok) throw new GatewayError(answer.code, answer.message);
    return answer.result;
  } finally {
    socket.destroy();
  }
}

/**
 * A connection to whoever listens on this data folder; null where nobody does. Its errors are swallowed: what matters
 * is that no answer comes.
 * @throws what the system says where it is neither (no permission).
 */
export async function connectControl(dataDir: string): Promise<Socket | null> {
  let place: ReturnType<typeof openSocketPath>;
  try {
    place = openSocketPath(dataDir, platform());
  } catch (error) {
    if (isNobody(error)) return null;
    throw error;
  }
  try {
    return await connectTo(place.path);
  } finally {
    place.release();
  }
}

export function connectTo(path: string, attempts = CONNECT_ATTEMPTS): Promise<Socket | null> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const failed = (error: Error): void => {
      if (isNobody(error)) resolve(null);
      else if (isReset(error) && attempts > 1) resolve(connectTo(path, attempts - 1));
      else reject(error);
    };
    socket.once('error', failed);
    socket.once('connect', () => {
      socket.off('error', failed);
      socket.on('error', () => undefined);
      resolve(socket);
    });
  });
}

/** Whoever listened ended in this moment: asked again, it is nobody, or whoever came after it. */
function isReset(error: Error): boolean {
  return 'code' in error && error.code === 'ECONNRESET';
}

/** The file is missing, or stands there without anyone who listens. */
function isNobody(error: unknown): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    ['ENOENT', 'ECONNREFUSED', 'ENOTDIR', 'ENOTSOCK'].includes(String(error.code))
  );
}
