import type { ArrivalClock, Formats, Message, Reading, RejectionCode, Route } from '../contracts.ts';
import { messageOf } from '../errors.ts';
import { printable } from '../printable.ts';
import { formatOf } from './format-of.ts';
import { nameByContent } from './name-by-content.ts';
import type { TransferHash } from './transfer-hash.ts';

/**
 * Turns a message into readings: decode, validate, map, name. One entry per reading, at least one. Never throws. `hash` is
 * that of topic and payload, where it is known already.
 */
export type Interpret = (
  message: Message,
  route: Route | null,
  arrival: ArrivalClock,
  nowMs: number,
  hash?: Readonly<TransferHash>,
) => readonly Reading[];

export interface InterpretOptions {
  readonly formats: Formats;
  readonly maxPayloadBytes: number;
}

export function createInterpret({ formats, maxPayloadBytes }: InterpretOptions): Interpret {
  return (message, route, arrival, nowMs, hash) => {
    if (route === null) {
      return [
        whole('no-route', 'no schema claims this topic; `telemetry-gateway topics` names the nearest one'),
      ];
    }
    const { payload } = message;
    if (payload.length > maxPayloadBytes) {
      const text = `the payload has ${payload.length} bytes; limits.payloadBytes allows ${maxPayloadBytes}`;
      return [whole('too-large', text)];
    }
    const spec = formatOf(message, route);
    const format = formats.get(spec);
    if (format === null)
      return [whole('undecodable', `the format ${printable(spec, 128)} is not known here`)];
    let value: unknown;
    try {
      value = format.decode(payload);
    } catch (error) {
      if (route.blank === null || format.name !== 'scalar' || !isBlank(payload))
        return [whole('undecodable', messageOf(error))];
      value = route.blank;
    }
    const readings = route.interpret(value, message, arrival, nowMs);
    if (readings.length === 0) return [whole('invalid', 'the list holds no reading')];
    nameByContent(message, readings, hash);
    return readings;
  };
}

function isBlank(payload: Buffer): boolean {
  return payload.toString('utf8').trim() === '';
}

/** A message that could not be told apart into readings counts as one. */
function whole(code: Exclude<RejectionCode, 'sink-rejected'>, message: string): Reading {
  return {
    kind: 'bad',
    device: null,
    schema: null,
    code,
    violations: [{ pointer: '', message }],
    sentUs: null,
    seq: null,
  };
}
