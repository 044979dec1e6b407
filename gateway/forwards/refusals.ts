import type { BrokerLimits, PublishResult } from '../broker-link/broker-session.ts';
import type { OutboxMessage } from '../store-contract.ts';

/** What to make of a message that the other broker did not take. */
export type Decision =
  /** It never will: on with the next. */
  { readonly kind: 'drop'; readonly words: string } | Hold;

/** Wait, and send it again. `needsSomebody`: that helps only when somebody has acted. */
export interface Hold {
  readonly kind: 'hold';
  readonly words: string;
  readonly needsSomebody: boolean;
}

/** Reason codes of PUBACK (MQTT 5, 3.4.2.1, and 2.4) that lie in the message itself. */
const TOPIC_NAME_INVALID = 0x90;
const PACKET_TOO_LARGE = 0x95;
const PAYLOAD_FORMAT_INVALID = 0x99;
const IN_THE_MESSAGE: ReadonlySet<number> = new Set([
  TOPIC_NAME_INVALID,
  PACKET_TOO_LARGE,
  PAYLOAD_FORMAT_INVALID,
]);
const NOT_AUTHORISED = 0x87;

/** Fixed header, length of the topic, packet id, no properties. */
const MOST_HEADER_BYTES = 10;
const MAX_TOPIC_BYTES = 65_535;
/** What four bytes of length can say (MQTT 3.1.1, 2.2.3). */
const MAX_PACKET_BYTES = 268_435_455;

/** Why no broker, or not this one, can take this message; null when there is nothing against it. */
export function messageProblem(
  { topic, payload }: OutboxMessage,
  { maxPacketBytes }: Pick<BrokerLimits, 'maxPacketBytes'>,
): string | null {
  const topicBytes = Buffer.byteLength(topic);
  const problem = topicProblem(topic, topicBytes);
  if (problem !== null) return `its topic ${problem}`;
  const most = maxPacketBytes ?? MAX_PACKET_BYTES;
  const bytes = topicBytes + payload.length + MOST_HEADER_BYTES;
  return bytes > most ? `it has ${bytes} bytes, and the broker takes ${most}` : null;
}

/** As MQTT has it, which allows longer topics than we take: with a prefix before it one may be longer. */
function topicProblem(topic: string, bytes: number): string | null {
  if (bytes === 0) return 'is empty';
  if (/[+#]/.test(topic)) return 'holds a wildcard';
  if (/\p{Cc}|\uFFFD/u.test(topic)) return 'holds a control character';
  return bytes > MAX_TOPIC_BYTES ? `has ${bytes} bytes` : null;
}

/**
 * Like a sink's refusal of a write: what lies in the message is final, everything else waits for better times. Quotas and
 * missing rights do: they are the broker's, and nothing may be lost for want of a setting there.
 */
export function decide({ reasonCode, words }: Extract<PublishResult, { ok: false }>): Decision {
  if (reasonCode !== null && IN_THE_MESSAGE.has(reasonCode)) return { kind: 'drop', words };
  return { kind: 'hold', words, needsSomebody: reasonCode === NOT_AUTHORISED };
}
