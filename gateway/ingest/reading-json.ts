import type { Point } from '../contracts.ts';
import { decodeLine } from '../line-protocol/decode.ts';
import type { FieldValue } from '../line-protocol/encode.ts';

/** Fewer digits: a provisional time of arrival (see `ArrivalClock`). A real one since 1975 has 18 or 19. */
const REAL_TIME_DIGITS = 18;

/**
 * A stored reading as JSON for other programs:
 *
 *   {"device":"d1","measurement":"m","schema":"m.v1","time":"2026-03-01T12:00:00.000000042Z",
 *    "time_ns":"1772366400000000042","tags":{"device":"d1"},"fields":{"temperature":21.5}}
 *
 * It is made from the line, so it is what the databases get. The time is UTC with nine digits of a second, and again as
 * digits; both are null while the gateway's clock is not set and the reading has no time of its own. Integers beyond
 * ±(2^53-1) are strings of digits. Text is built, not an object: the names are not ours.
 */
export function readingJson({ device, schema, line }: Pick<Point, 'device' | 'schema' | 'line'>): Buffer {
  const { measurement, tags, fields, timestampNs } = decodeLine(line);
  const isReal = timestampNs !== null && timestampNs.length >= REAL_TIME_DIGITS;
  const parts = [
    `"device":${JSON.stringify(device)}`,
    `"measurement":${JSON.stringify(measurement)}`,
    `"schema":${JSON.stringify(schema)}`,
    `"time":${isReal ? `"${isoOf(timestampNs)}"` : 'null'}`,
    `"time_ns":${isReal ? `"${timestampNs}"` : 'null'}`,
    `"tags":{${tags.map(([key, text]) => `${JSON.stringify(key)}:${JSON.stringify(text)}`).join(',')}}`,
    `"fields":{${fields.map(([key, value]) => `${JSON.stringify(key)}:${valueJson(value)}`).join(',')}}`,
  ];
  return Buffer.from(`{${parts.join(',')}}`);
}

/** @param ns 18 or 19 digits */
function isoOf(ns: string): string {
  const ms = Number(ns.slice(0, -6));
  return `${new Date(ms).toISOString().slice(0, -1)}${ns.slice(-6)}Z`;
}

function valueJson(field: FieldValue): string {
  if (field.type !== 'integer') return JSON.stringify(field.value);
  return Number.isSafeInteger(Number(field.value)) ? field.value : `"${field.value}"`;
}
