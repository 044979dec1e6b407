import { Duplex } from 'node:stream';

/** Two ends of a wire in memory: what is written at one comes out at the other, in chunks as they were written. */
export function streamPair(): [Duplex, Duplex] {
  const end = (other: () => Duplex): Duplex =>
    new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        if (!other().destroyed) other().push(chunk);
        setImmediate(done);
      },
      final: (done) => {
        if (!other().destroyed) other().push(null);
        done();
      },
      destroy: (error, done) => {
        setImmediate(() => other().destroy());
        done(error);
      },
    });
  const left: Duplex = end(() => right);
  const right: Duplex = end(() => left);
  for (const each of [left, right]) each.on('error', () => undefined);
  return [left, right];
}
