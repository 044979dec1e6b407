import type { ArrivalClock, Formats, Message, Reading, RejectionCode, Route } from '../contracts.ts';
import { messageOf } from '../errors.ts';
import { printable } from '../printable.ts';

/** Turns a message into readings: decode, validate, map. One entry per reading, at least one. Never throws. */
export type Interpret = (
  message: Message,
  route: Route | null,
  arrival: ArrivalClock,
  nowMs: number,
) => readonly Reading[];

export interface InterpretOptions {
  readonly formats: Formats;
  readonly maxPayloadBytes: number;
}

export function createInterpret({ formats, maxPayloadBytes }: InterpretOptions): Interpret {
  return (message, route, arrival, nowMs) => {
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
    const spec = message.format ?? route.format;
    const format = formats.get(spec);
    if (format === null)
      return [whole('undecodable', `the format ${printable(spec, 128)} is not known here`)];
    let value: unknown;
    try {
      value = format.decode(payload);
    } catch (error) {
      return [whole('undecodable', messageOf(error))];
    }
    const readings = route.interpret(value, message, arrival, nowMs);
    return readings.length > 0 ? readings : [whole('invalid', 'the list holds no reading')];
  };
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
