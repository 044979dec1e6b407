/** Topic names and filters (MQTT 3.1.1, 4.7), and which of them belong to the gateway itself. Pure. */
import { GENERATED, isGenerated } from './generated-ids.ts';

export interface TopicLimits {
  readonly maxTopicBytes: number;
  readonly maxTopicLevels: number;
}

const SLASH = 0x2f;
const PLUS = 0x2b;
const HASH = 0x23;
const DOLLAR = 0x24;
/** What the decoder of UTF-8 puts in the place of bytes that are none. */
const REPLACEMENT = 0xfffd;

function isControl(code: number): boolean {
  return code < 0x20 || (code >= 0x7f && code < 0xa0);
}

/** What is wrong with a name in general; wildcards aside. */
function problemOf(topic: string, limits: TopicLimits): string | null {
  if (topic.length === 0) return 'empty topic';
  if (Buffer.byteLength(topic) > limits.maxTopicBytes) return 'topic too long';
  let levels = 1;
  for (let i = 0; i < topic.length; i += 1) {
    const code = topic.charCodeAt(i);
    if (code === SLASH) levels += 1;
    else if (code === REPLACEMENT) return 'topic is not valid UTF-8';
    else if (isControl(code)) return 'control character in topic';
  }
  return levels > limits.maxTopicLevels ? 'topic has too many levels' : null;
}

/** Why nothing may be published on this topic; null when it may. */
export function topicProblem(topic: string, limits: TopicLimits): string | null {
  const problem = problemOf(topic, limits);
  if (problem !== null) return problem;
  return topic.includes('+') || topic.includes('#') ? 'wildcard in topic' : null;
}

/** Why this is no filter; null when it is one. */
export function filterProblem(filter: string, limits: TopicLimits): string | null {
  const problem = problemOf(filter, limits);
  if (problem !== null) return problem;
  const last = filter.length - 1;
  for (let i = 0; i <= last; i += 1) {
    const code = filter.charCodeAt(i);
    if (code !== PLUS && code !== HASH) continue;
    if (i > 0 && filter.charCodeAt(i - 1) !== SLASH) return 'wildcard is not a whole level';
    if (code === HASH && i < last) return '# is not at the end';
    if (code === PLUS && i < last && filter.charCodeAt(i + 1) !== SLASH)
      return 'wildcard is not a whole level';
  }
  return null;
}

/** Why no client may ask for this id; null when it may. Ids become topic levels, map keys and words in logs. */
export function clientIdProblem(clientId: string, maxBytes: number): string | null {
  if (Buffer.byteLength(clientId) > maxBytes) return 'client id too long';
  if (isGenerated(clientId)) return `client ids that begin with ${GENERATED} are the gateway's to give`;
  for (let i = 0; i < clientId.length; i += 1) {
    const code = clientId.charCodeAt(i);
    if (code === SLASH || code === PLUS || code === HASH) return 'client id holds / + or #';
    if (isControl(code) || code === REPLACEMENT)
      return 'client id holds a control character or invalid UTF-8';
  }
  return null;
}

function isUnder(topic: string, root: string): boolean {
  return topic.startsWith(root) && (topic.length === root.length || topic.charCodeAt(root.length) === SLASH);
}

/** Only the gateway itself publishes here. */
export function isReserved(topic: string): boolean {
  return isUnder(topic, '$SYS') || isUnder(topic, 'gateway');
}

/**
 * Where a Mosquitto bridge says whether it is connected, at its start and by its will (`notifications true`, which is its
 * default). It means no harm and is no reading: it is acknowledged and let go.
 */
export function isBridgeState(topic: string): boolean {
  return /^\$SYS\/broker\/connection\/[^/]+\/state$/.test(topic);
}

/** Topics that a wildcard at the first level does not reach: `$…` (MQTT 3.1.1, 4.7.2), and by the same rule `gateway/…`. */
export function isHidden(topic: string): boolean {
  return topic.charCodeAt(0) === DOLLAR || isUnder(topic, 'gateway');
}

/** The device of `gateway/serial/{device}/write`, where clients may publish to serial ports; null for any other topic. */
export function downlinkDevice(topic: string): string | null {
  return /^gateway\/serial\/([^/]+)\/write$/.exec(topic)?.[1] ?? null;
}

const RECEIPTS = 'gateway/receipts';

/** Where a client is told of its rejected readings, and of those it has a schema that asks for receipts of. */
export function receiptTopic(clientId: string): string {
  return `${RECEIPTS}/${clientId}`;
}

/** Where it is told what became of every reading. */
export function everyReceiptTopic(clientId: string): string {
  return `${RECEIPTS}/${clientId}/all`;
}

/**
 * Whether this client may subscribe to this filter: not to `$SYS`, and to no receipts but its own
 * (`gateway/receipts/{id}`, `…/{id}/all`, or both by a wildcard) unless it is an observer. Filters with a wildcard in the place of the id are
 * granted to all, and bring others only their own.
 */
export function maySubscribe(clientId: string, filter: string, isObserver: boolean): boolean {
  if (isUnder(filter, '$SYS')) return false;
  if (isObserver || !filter.startsWith(`${RECEIPTS}/`)) return true;
  const rest = filter.slice(RECEIPTS.length + 1);
  const own = ['', '/all', '/+', '/#'].some((end) => rest === clientId + end);
  return own || rest.startsWith('+') || rest === '#';
}

/** Receipts go by a door of their own: no forwarded message may look like one. */
export function isForwardable(topic: string): boolean {
  return !isUnder(topic, '$SYS') && !isUnder(topic, RECEIPTS);
}

export function hasWildcard(filter: string): boolean {
  return filter.includes('+') || filter.endsWith('#');
}

/** Whether a valid filter takes in a valid topic (MQTT 3.1.1, 4.7). */
export function matches(filter: string, topic: string): boolean {
  const first = filter.charCodeAt(0);
  if ((first === PLUS || first === HASH) && isHidden(topic)) return false;
  let at = 0;
  let pos = 0;
  while (at < filter.length) {
    const code = filter.charCodeAt(at);
    if (code === HASH) return true;
    if (code === PLUS) {
      const end = topic.indexOf('/', pos);
      pos = end === -1 ? topic.length : end;
      at += 1;
    } else {
      while (at < filter.length && filter.charCodeAt(at) !== SLASH) {
        if (pos >= topic.length || topic.charCodeAt(pos) !== filter.charCodeAt(at)) return false;
        at += 1;
        pos += 1;
      }
      if (pos < topic.length && topic.charCodeAt(pos) !== SLASH) return false;
    }
    // Both stand at a separator or at their end; `a/#` takes in `a` as well.
    if (at === filter.length) return pos === topic.length;
    if (pos === topic.length) return at + 2 === filter.length && filter.charCodeAt(at + 1) === HASH;
    at += 1;
    pos += 1;
    // A trailing separator in the filter stands for one more, empty, level.
    if (at === filter.length) return pos === topic.length;
  }
  return pos === topic.length;
}
