import type { Format } from '../contracts.ts';
import { NmeaFields } from './nmea-fields.ts';
import { byteAt, textOf, undecodable } from './payload-text.ts';

const REMEDY = 'send one position sentence (GGA, RMC, VTG or GLL) with each message';
const KNOT_IN_M_PER_S = 1852 / 3600;
const KM_PER_H_IN_M_PER_S = 1 / 3.6;
const MAX_CHARACTERS = 1024;
const SENTENCE = /^[$!]([A-Z0-9]{3,12})((?:,[^,*]*)*)(?:\*([0-9A-Fa-f]{2}))?$/;

/** By the quality that GGA tells. What was reckoned or typed in is no fix. */
const FIX_OF_QUALITY: readonly string[] = ['none', '3d', 'dgps', '3d', 'rtk', 'rtk', 'none', 'none', 'none'];
/** By the mode of RMC, VTG and GLL; `A` tells nothing of the kind. */
const FIX_OF_MODE: ReadonlyMap<string, string> = new Map([
  ['D', 'dgps'],
  ['F', 'rtk'],
  ['R', 'rtk'],
  ['N', 'none'],
]);

type Position = Record<string, number | string>;

/**
 * Position sentences of NMEA 0183 as `gps-position.v1` names things: degrees, metres, metres per second, `ts` in ms since
 * 1970 where the sentence has a date. What a receiver marks as invalid is left out, and so is what it leaves empty.
 */
export function createNmeaFormat(): Format {
  return {
    name: 'nmea',
    elements: () => null,
    decode(payload) {
      const whole = textOf(payload, REMEDY);
      const text = whole.length > MAX_CHARACTERS ? whole : whole.trim();
      const match = text.length > MAX_CHARACTERS ? null : SENTENCE.exec(text);
      if (match === null) throw undecodable(`no sentence ($…, comma-separated, *hh) at byte 0; ${REMEDY}`);
      const [, address = '', list = '', sent] = match;
      if (sent !== undefined && Number.parseInt(sent, 16) !== checksumOf(text))
        throw undecodable(
          `the checksum at ${byteAt(text, text.length - 2)} is wrong; the sentence was damaged on its way`,
        );
      const type = address.slice(-3);
      const position: Position = { sentence: type };
      const fields = new NmeaFields(list, address.length + 1);
      switch (type) {
        case 'GGA':
          readGga(fields, position);
          return position;
        case 'RMC':
          readRmc(fields, position);
          return position;
        case 'VTG':
          readVtg(fields, position);
          return position;
        case 'GLL':
          readGll(fields, position);
          return position;
        default:
          throw undecodable(
            `${type} at byte ${address.length - 2} is no position sentence; ${REMEDY}, for a serial port by \`sentences\` of its framing`,
          );
      }
    },
  };
}

function readGga(fields: NmeaFields, position: Position): void {
  const quality = fields.number(6) ?? 0;
  const satellites = fields.number(7);
  const fix = FIX_OF_QUALITY[quality] ?? 'none';
  // With three satellites there is no height to solve for.
  set(position, 'fix', quality === 1 && satellites === 3 ? '2d' : fix);
  set(position, 'satellites', satellites);
  set(position, 'hdop', fields.number(8));
  if (quality === 0) return;
  readPlace(fields, 2, position);
  const aboveSea = fields.number(9);
  const separation = fields.number(11);
  set(position, 'altitude_msl', aboveSea);
  if (aboveSea !== null && separation !== null)
    position.altitude = Math.round((aboveSea + separation) * 1000) / 1000;
}

function readRmc(fields: NmeaFields, position: Position): void {
  const isValid = fields.text(2) === 'A';
  setMode(position, isValid, fields.text(12));
  const atMs = fields.dateTime(9, 1);
  if (atMs !== null) {
    position.ts = atMs;
    position.time = new Date(atMs).toISOString();
  }
  if (!isValid) return;
  readPlace(fields, 3, position);
  setSpeed(position, fields.number(7), KNOT_IN_M_PER_S);
  set(position, 'heading', fields.number(8));
}

function readVtg(fields: NmeaFields, position: Position): void {
  const mode = fields.text(9);
  setMode(position, mode !== 'N', mode);
  if (mode === 'N') return;
  set(position, 'heading', fields.number(1));
  const knots = fields.number(5);
  if (knots === null) setSpeed(position, fields.number(7), KM_PER_H_IN_M_PER_S);
  else setSpeed(position, knots, KNOT_IN_M_PER_S);
}

function readGll(fields: NmeaFields, position: Position): void {
  const isValid = fields.text(6) !== 'V';
  setMode(position, isValid, fields.text(7));
  if (isValid) readPlace(fields, 1, position);
}

function readPlace(fields: NmeaFields, at: number, position: Position): void {
  set(position, 'latitude', fields.angle(at, 2, 90, 'N', 'S'));
  set(position, 'longitude', fields.angle(at + 2, 3, 180, 'E', 'W'));
}

function setMode(position: Position, isValid: boolean, mode: string): void {
  set(position, 'fix', isValid ? (FIX_OF_MODE.get(mode) ?? null) : 'none');
}

/** To the millimetre per second: a receiver tells less. */
function setSpeed(position: Position, value: number | null, unit: number): void {
  if (value !== null) position.speed = Math.round(value * unit * 1000) / 1000;
}

function set(position: Position, name: string, value: number | string | null): void {
  if (value !== null) position[name] = value;
}

/** All between `$` and `*`, exclusively or-ed. */
function checksumOf(text: string): number {
  const end = text.lastIndexOf('*');
  let sum = 0;
  for (let at = 1; at < end; at += 1) sum ^= text.charCodeAt(at);
  return sum;
}
