import { describe, expect, it } from 'vitest';
import type { FramingOptions } from '../../../gateway/sources/framing/framing-options.ts';
import { framed, reasons, texts } from './framed.ts';

const RMC = '$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A';
const nmea: FramingOptions = { kind: 'nmea' };

describe('NMEA sentences', () => {
  it('come out without the end of the line, whatever it is', () => {
    expect(texts(framed(nmea, `${RMC}\r\n${RMC}\n${RMC}`))).toEqual([RMC, RMC, RMC]);
    expect(texts(framed(nmea, '!AIVDM,1*4A\r\n'))).toEqual(['!AIVDM,1*4A']);
  });

  it('with a wrong checksum, or none, are discarded', () => {
    const result = framed(nmea, `${RMC.replace('8', '9')}\r\n$GPTXT,hello\r\n$GPGLL*5\r\n${RMC}\r\n`);
    expect(texts(result)).toEqual([RMC]);
    expect(reasons(result)).toEqual([`bad-checksum:${RMC.length}`, 'no-checksum:12', 'bad-checksum:8']);
    expect(texts(framed({ ...nmea, withoutChecksum: true }, '$GPTXT,hello\r\n'))).toEqual(['$GPTXT,hello']);
  });

  it('that a reset cut short are not glued to the next', () => {
    const result = framed(nmea, `boot\xff\0${RMC.slice(0, 20)}${RMC}\r\n`);
    expect(texts(result)).toEqual([RMC]);
    expect(reasons(result)).toEqual(['noise:7', 'cut-short:20']);
  });

  it('of other types than those asked for are passed over, and are no noise', () => {
    const result = framed({ ...nmea, sentences: ['RMC'] }, `$GPGLL*50\r\n${RMC}\r\n$GPGLL*51\r\n`);
    expect(texts(result)).toEqual([RMC]);
    expect(reasons(result)).toEqual(['bad-checksum:9']);
  });
});
