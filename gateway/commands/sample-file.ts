import { GatewayError } from '../errors.ts';
import type { TrafficMessage } from '../infer/traffic.ts';

/** What a file of samples holds. */
export interface Samples {
  readonly messages: readonly TrafficMessage[];
  /** Lines that are no sample, each with its number. */
  readonly problems: readonly string[];
}

const MAX_PROBLEMS = 20;
/** A list is read as a whole, in some twenty times its size. */
const MAX_LIST_CHARACTERS = 16 * 1024 * 1024;
/** `mosquitto_sub -F '@Y-@m-@dT@H:@M:@S@z %t %p'` puts the time first. */
const TIME_FIRST = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)) /;

/**
 * Reads samples from a text:
 *
 * - `topic payload` on each line, as `mosquitto_sub -v` prints them, perhaps behind a time;
 * - a JSON object on each line with `topic` and `payload` (a text, or JSON), perhaps `at` (ISO, or ms), `retained` and
 *   `contentType`; or one JSON document, such an object or a list of them, over as many lines as it likes;
 * - with a `topic`: payloads alone. A JSON document (a list: each element), else CSV with a header, else one on each line.
 *
 * @throws GatewayError `usage` where nothing in it is a sample.
 */
export function readSamples(text: string, { file, topic }: { file: string; topic: string | null }): Samples {
  const plain = text.replace(/^\uFEFF/, '');
  const samples =
    topic === null ? (messagesOf(plain, file) ?? linesOf(plain, file)) : payloadsOf(plain, topic);
  if (samples.messages.length > 0) return samples;
  const [first] = samples.problems;
  throw new GatewayError('usage', first ?? `${file}: there is no sample in it`);
}

/** Null where it is no JSON document over several lines. */
function messagesOf(text: string, file: string): Samples | null {
  const whole = /\n/.test(text.trim()) ? wholeDocument(text) : null;
  if (whole === null) return null;
  const messages: TrafficMessage[] = [];
  const problems: string[] = [];
  for (const [i, element] of whole.entries()) {
    const message = fromJson(element);
    if (typeof message !== 'string') messages.push(message);
    else if (problems.length < MAX_PROBLEMS)
      problems.push(`${file}${whole.length === 1 ? '' : `, element ${i + 1},`} ${message}`);
  }
  return { messages, problems };
}

function linesOf(text: string, file: string): Samples {
  const messages: TrafficMessage[] = [];
  const problems: string[] = [];
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '') continue;
    const message = line.startsWith('{') ? fromJson(line) : fromText(line);
    if (typeof message !== 'string') messages.push(message);
    else if (problems.length < MAX_PROBLEMS) problems.push(`${file}:${i + 1} ${message}`);
  }
  return { messages, problems };
}

function fromText(line: string): TrafficMessage | string {
  const time = TIME_FIRST.exec(line);
  const rest = time === null ? line : line.slice(time[0].length);
  if (/^\s/.test(rest)) return 'begins with a blank, not with a topic; for payloads alone give --topic';
  const blank = endOfTopic(rest);
  const topic = blank === -1 ? rest : rest.slice(0, blank);
  if (blank === -1 && !topic.includes('/'))
    return 'must be "topic payload", or {"topic": …, "payload": …}; for payloads alone give --topic';
  return sample(topic, blank === -1 ? '' : rest.slice(blank + 1), { atMs: Date.parse(time?.[1] ?? '') });
}

/**
 * The blank behind the topic, or -1. Topics may hold blanks themselves (`zigbee2mqtt/Living room sensor {…}`): where what
 * follows the first one is no JSON, the first behind which a whole object or list stands is the one.
 */
function endOfTopic(line: string): number {
  const first = line.indexOf(' ');
  const json = /(?<= )[{[]/.exec(line)?.index;
  if (first === -1 || json === undefined || json === first + 1) return first;
  return isJson(line.slice(json)) && !isJson(line.slice(first + 1)) ? json - 1 : first;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function fromJson(line: string): TrafficMessage | string {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return 'is no JSON';
  }
  const member = (name: string): unknown =>
    typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
  const topic = member('topic');
  const payload = member('payload');
  if (typeof topic !== 'string' || topic === '') return 'has no "topic"; for payloads alone give --topic';
  if (payload === undefined) return 'has no "payload"';
  const at = member('at');
  const contentType = member('contentType');
  return sample(topic, typeof payload === 'string' ? payload : JSON.stringify(payload), {
    atMs: typeof at === 'number' ? at : Date.parse(String(at)),
    retained: member('retained') === true || member('retain') === true,
    contentType: typeof contentType === 'string' ? contentType : null,
  });
}

function payloadsOf(text: string, topic: string): Samples {
  const whole = wholeDocument(text);
  if (whole !== null) return { messages: whole.map((payload) => sample(topic, payload)), problems: [] };
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  const [header = '', ...rows] = lines;
  // Names above rows with figures: each row is a message with the header on top.
  const isTable =
    rows.length > 0 &&
    /^[\p{L}_"][^{}=:]*[,;\t]/u.test(header) &&
    !/[,;\t]\s*[-+]?\d+(?:\.\d+)?\s*(?:[,;\t]|$)/.test(header);
  return {
    messages: isTable
      ? rows.map((row) => sample(topic, `${header}\n${row}\n`))
      : lines.map((line) => sample(topic, line)),
    problems: [],
  };
}

/** @throws GatewayError `usage` where a list is so long that reading it as a whole would take very much memory. */
function wholeDocument(text: string): readonly string[] | null {
  if (!/^\s*[[{]/.test(text)) return null;
  if (text.length > MAX_LIST_CHARACTERS && /^\s*\[/.test(text))
    throw new GatewayError(
      'usage',
      "a JSON list of more than 16 MiB; make lines of it, of which some are enough: jq -c '.[]' FILE | head -n 50000",
    );
  try {
    const value: unknown = JSON.parse(text);
    return (Array.isArray(value) ? value : [value]).map((each) => JSON.stringify(each));
  } catch {
    return null;
  }
}

function sample(
  topic: string,
  payload: string,
  {
    atMs = Number.NaN,
    retained = false,
    contentType = null,
  }: { readonly atMs?: number; readonly retained?: boolean; readonly contentType?: string | null } = {},
): TrafficMessage {
  return {
    ...{ topic, payload: Buffer.from(payload), contentType, retained },
    atMs: Number.isFinite(atMs) ? atMs : null,
  };
}
