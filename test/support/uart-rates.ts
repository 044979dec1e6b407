/** What a UART makes of bytes that were sent at another rate: start bit, eight bits with the lowest first, stop bit. */
export function readAtRate(bytes: Uint8Array, sentBaud: number, readBaud: number): Buffer {
  const idle = Array.from({ length: 20 }, () => 1);
  const line = [...bytes].flatMap((byte) => [
    0,
    ...Array.from({ length: 8 }, (_, bit) => (byte >>> bit) & 1),
    1,
  ]);
  const bits = [...idle, ...line, ...idle];
  const step = sentBaud / readBaud;
  const at = (place: number): number => bits[Math.floor(place)] ?? 1;
  const read: number[] = [];
  for (let place = 0; place < bits.length; ) {
    if (at(place) === 1) {
      place += step / 16;
      continue;
    }
    let byte = 0;
    for (let bit = 0; bit < 8; bit += 1) byte |= at(place + (bit + 1.5) * step) << bit;
    // A stop bit that is none is a framing error: the system gives a zero byte for it.
    read.push(at(place + 9.5 * step) === 1 ? byte : 0);
    place += 9.5 * step;
    while (place < bits.length && at(place) === 0) place += step / 16;
  }
  return Buffer.from(read);
}
