import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { PACKAGE_ROOT } from '../../gateway/package-root.ts';
import { decoded, undecodable } from './decoded.ts';

const nmea = (sentence: string) => decoded('nmea', sentence);

describe('nmea', () => {
  it('reads a position south and west, without a date', () => {
    expect(nmea('$GNGLL,3352.128,S,15112.558,W,225444.00,A,D*7E\r\n')).toEqual({
      sentence: 'GLL',
      fix: 'dgps',
      latitude: -33.8688,
      longitude: -151.2093,
    });
  });

  it('reads speed in knots, or in km/h where there is nothing else', () => {
    expect(nmea('$GPVTG,054.7,T,034.4,M,005.5,N,010.2,K*48')).toEqual({
      sentence: 'VTG',
      heading: 54.7,
      speed: 2.829,
    });
    expect(nmea('$GPVTG,,T,,M,,N,36.0,K,A')).toEqual({ sentence: 'VTG', speed: 10 });
  });

  it('gives what the GPS schema that ships with the gateway takes', () => {
    const file = join(PACKAGE_ROOT, 'schemas/readings/gps-position.v1.json');
    const { $schema: _, ...schema } = JSON.parse(readFileSync(file, 'utf8'));
    const isPosition = new Ajv2020({ strict: false }).compile(schema);
    for (const sentence of [
      '$GPGGA,123519,4807.038,N,01131.000,E,4,08,0.9,545.4,M,46.9,M,,*42',
      '$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A',
    ]) {
      const position = nmea(sentence);
      expect(isPosition(position), JSON.stringify(isPosition.errors)).toBe(true);
      expect(position).toMatchObject({ latitude: 48.1173, longitude: 11.5166667 });
    }
    expect(isPosition(nmea('$GPGGA,,,,,,0,00,,,M,,M,,*66')), 'a receiver that has no fix yet').toBe(true);
    expect(isPosition({ fix: '3d', latitude: 48 })).toBe(false);
    expect(isPosition({ satellites: 4 })).toBe(false);
    expect(nmea('$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A')).toMatchObject({
      ts: Date.UTC(1994, 2, 23, 12, 35, 19),
      time: '1994-03-23T12:35:19.000Z',
    });
  });

  it('does not pass an invalid position on as a good one', () => {
    expect(nmea('$GPRMC,123519,V,4807.038,N,01131.000,E,022.4,084.4,230394,,')).toEqual({
      sentence: 'RMC',
      fix: 'none',
      ts: 764426119000,
      time: '1994-03-23T12:35:19.000Z',
    });
    expect(nmea('$GPGGA,123519,4807.038,N,01131.000,E,0,00,,,M,,M,,')).toEqual({
      sentence: 'GGA',
      fix: 'none',
      satellites: 0,
    });
    expect(nmea('$GPGLL,4807.038,N,01131.000,E,123519,V')).toEqual({ sentence: 'GLL', fix: 'none' });
  });

  it('tells 2d from 3d by the satellites, and leaves an ellipsoid height out that it cannot tell', () => {
    expect(nmea('$GPGGA,123519,4807.038,N,01131.000,E,1,03,2.5,545.4,M,,M,,')).toMatchObject({
      fix: '2d',
      altitude_msl: 545.4,
    });
    expect(nmea('$GPGGA,123519,4807.038,N,01131.000,E,1,03,2.5,545.4,M,,M,,')).not.toHaveProperty('altitude');
  });

  it('refuses what is damaged, at its place', () => {
    const rmc = '$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W';
    expect(() => nmea(`${rmc}*6B`)).toThrow(undecodable(/checksum at byte 66 is wrong/));
    expect(() => nmea(rmc.replace('4807.038', '4867.038'))).toThrow(undecodable(/ddmm.mmmm at byte 16/));
    expect(() => nmea(rmc.replace('4807.038', '9107.038'))).toThrow(
      undecodable(/at most 90 degrees at byte 16/),
    );
    expect(() => nmea(rmc.replace(',N,', ',X,'))).toThrow(undecodable(/N or S at byte 25/));
    expect(() => nmea(rmc.replace('230394', '310294'))).toThrow(undecodable(/a date that exists at byte 51/));
    expect(() => nmea(rmc.replace('123519', '243519'))).toThrow(undecodable(/a time that exists at byte 7/));
    expect(() => nmea(rmc.replace('022.4', 'fast'))).toThrow(undecodable(/a number at byte 39, found "fast/));
  });

  it('says what to do about sentences without a position', () => {
    expect(() => nmea('$GPGSV,1,1,00*79')).toThrow(
      undecodable(/GSV at byte 3 is no position sentence.*sentences/),
    );
    expect(() => nmea('hello')).toThrow(undecodable(/no sentence .* at byte 0/));
  });
});
