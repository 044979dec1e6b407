import type { Format } from '../contracts.ts';
import { undecodable } from './payload-text.ts';

const PMS5003_BYTES = 32;
const SDS011_BYTES = 10;

/**
 * A frame of a Plantower PMS5003 (data manual, appendix I). pm1, pm2_5 and pm10 are µg/m³ under atmospheric conditions;
 * with `_cf1`, those of the factory's calibration; particles are counts in 0.1 l beyond so many µm.
 */
export function createPms5003Format(): Format {
  return {
    name: 'pms5003',
    elements: () => null,
    decode(payload) {
      const wanted = 'a frame of a PMS5003 is 42 4D 00 1C, 13 values of two bytes, and their sum';
      if (payload.length !== PMS5003_BYTES) throw wrongLength(payload, PMS5003_BYTES, wanted);
      if (payload.readUInt32BE(0) !== 0x424d001c) throw undecodable(`no header at byte 0; ${wanted}`);
      let sum = 0;
      for (let at = 0; at < 30; at += 1) sum += payload[at] ?? 0;
      if (payload.readUInt16BE(30) !== sum) throw undecodable(`the sum at byte 30 is wrong; ${wanted}`);
      const word = (at: number): number => payload.readUInt16BE(at);
      return {
        pm1: word(10),
        pm2_5: word(12),
        pm10: word(14),
        pm1_cf1: word(4),
        pm2_5_cf1: word(6),
        pm10_cf1: word(8),
        particles_0_3: word(16),
        particles_0_5: word(18),
        particles_1_0: word(20),
        particles_2_5: word(22),
        particles_5_0: word(24),
        particles_10: word(26),
      };
    },
  };
}

/** A frame of a Nova Fitness SDS011: µg/m³, and the sensor's own two bytes of id. */
export function createSds011Format(): Format {
  return {
    name: 'sds011',
    elements: () => null,
    decode(payload) {
      const wanted = 'a frame of an SDS011 is AA C0, six bytes, their sum, AB';
      if (payload.length !== SDS011_BYTES) throw wrongLength(payload, SDS011_BYTES, wanted);
      if (payload.readUInt16BE(0) !== 0xaac0) throw undecodable(`no header at byte 0; ${wanted}`);
      if (payload[9] !== 0xab) throw undecodable(`no tail at byte 9; ${wanted}`);
      let sum = 0;
      for (let at = 2; at < 8; at += 1) sum += payload[at] ?? 0;
      if (payload[8] !== (sum & 0xff)) throw undecodable(`the sum at byte 8 is wrong; ${wanted}`);
      return {
        pm2_5: payload.readUInt16LE(2) / 10,
        pm10: payload.readUInt16LE(4) / 10,
        sensor_id: payload.toString('hex', 6, 8),
      };
    },
  };
}

function wrongLength({ length }: Buffer, expected: number, wanted: string) {
  return undecodable(
    `${length} bytes where ${expected} are expected: differs at byte ${Math.min(length, expected)}; ${wanted}`,
  );
}
