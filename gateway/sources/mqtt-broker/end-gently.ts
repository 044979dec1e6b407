import type { Socket } from 'node:net';
import type { Clock } from '../../contracts.ts';

const LAST_ANSWERS_MS = 2000;

/**
 * Ends a connection whose peer must still read what was written: a socket that is closed with bytes unread is reset, and
 * the answers are thrown away with it. What comes is not looked at any more. `close` is called when the peer has ended
 * too, or after 2 s, or both.
 */
export function endGently(socket: Socket, clock: Clock, close: () => void): void {
  socket.removeAllListeners('readable');
  socket.once('end', close);
  socket.resume();
  socket.end();
  void clock.sleep(LAST_ANSWERS_MS).then(close);
}
