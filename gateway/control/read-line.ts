import type { Socket } from 'node:net';

/**
 * The first line that comes, without its "\n"; null when the other side ends before, sends more than `maxBytes`, or
 * lets `timeoutMs` pass. Never rejects. Errors of the socket end it.
 */
export function readLine(
  socket: Socket,
  { maxBytes, timeoutMs }: { readonly maxBytes: number; readonly timeoutMs: number },
): Promise<string | null> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const done = (line: string | null): void => {
      clearTimeout(timer);
      socket.off('data', onData).off('close', onEnd).off('end', onEnd);
      socket.pause();
      resolve(line);
    };
    const onEnd = (): void => done(null);
    const onData = (chunk: Buffer): void => {
      const end = chunk.indexOf(0x0a);
      const part = end === -1 ? chunk : chunk.subarray(0, end);
      length += part.length;
      if (length > maxBytes) {
        done(null);
        return;
      }
      chunks.push(part);
      if (end !== -1) done(Buffer.concat(chunks, length).toString('utf8'));
    };
    const timer = setTimeout(onEnd, timeoutMs);
    socket.on('data', onData).on('close', onEnd).on('end', onEnd);
  });
}
