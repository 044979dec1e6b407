import type { Message, Reading } from '../contracts.ts';
import { hashTransfer, type TransferHash } from './transfer-hash.ts';

const own: TransferHash = { high: 0, low: 0 };
const ofSeries: TransferHash = { high: 0, low: 0 };
const NOTHING = Buffer.alloc(0);
/** 2³² divided by the golden ratio: neighbours come to lie far apart. */
const APART = 0x9e3779b1;

/**
 * Names readings by their bytes, so that one which is said again is recognised: by a device that repeats what it got no
 * answer to, or a sender that was cut off from its broker, and that broker passes both on. Nothing in MQTT tells such a
 * message from news. But a reading with a time of its own that comes again with the same bytes on the same topic is the
 * same reading: any database would keep one of the two. Readings with an identity have a better name; those without a time
 * of their own have none. What another broker says beside the bytes may make tags: then it is the same reading in the same
 * series only.
 *
 * The window in which it is looked for is that of identities (`ledgers/identities.ts`).
 */
export function nameByContent(
  message: Message,
  readings: readonly Reading[],
  known?: Readonly<TransferHash>,
): void {
  let hash = known;
  const isTagged = message.relay !== null && message.relay.userProperties.size > 0;
  for (let i = 0; i < readings.length; i += 1) {
    const reading = readings[i];
    // A time of its own that was not believed tells nothing: two equal readings may be two.
    if (reading?.kind !== 'point' || reading.identity !== null || !reading.recognisable) continue;
    if (hash === undefined) {
      hashTransfer(message.topic, message.payload, own);
      hash = own;
    }
    // Elements of one list are told apart by their places.
    const low = hash.low ^ Math.imul(i, APART);
    if (isTagged) {
      hashTransfer(reading.series.key, NOTHING, ofSeries);
      reading.identity = { high: (hash.high ^ ofSeries.high) >>> 0, low: (low ^ ofSeries.low) >>> 0 };
    } else reading.identity = { high: hash.high, low: low >>> 0 };
  }
}
