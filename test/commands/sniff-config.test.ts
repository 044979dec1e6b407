import { describe, expect, test } from 'vitest';
import type { CommandParts } from '../../gateway/commands/command-parts.ts';
import { sniffedConfig } from '../../gateway/commands/sniff-config.ts';
import { fittingSchema, starterSchema } from '../../gateway/commands/sniff-schema.ts';
import { parseConfig } from '../../gateway/config/load-config.ts';
import { compileSchemas, loadReadings } from '../../gateway/readings/load-schemas.ts';
import { guessStream } from '../../gateway/sniff/guess-stream.ts';
import { serialProblems } from '../../gateway/wiring/serial-entries.ts';

const PLACE = { path: '/dev/ttyUSB0', baudRate: 9600, topic: 'boards/{device}' };
const defaults = parseConfig('', { file: null, cwd: '/', environment: {} });
// Only what is asked for.
const parts = { loadReadings: () => loadReadings(defaults.schemasDir) } as unknown as CommandParts;

function fitting(values: Record<string, unknown>) {
  return fittingSchema(values, defaults, parts);
}

describe('the configuration for a port that was listened at', () => {
  test.each([
    ['{"t":1}\n{"t":2}\n'],
    ['{"t":1}\r{"t":2}\r{"t":2}\r'],
    ['t;h\n1,5;2,5\n2,5;3,5\n2,5;3,5\n'],
    ['1.5 2.5\n2.5 3.5\n'],
    ['t:1 h:2\nt:3 h:4\n'],
    ['t=1 h=2\nt=3 h=4\n'],
    ['$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n'],
    ['$GPGSV,1,1,00*79\r\n$GPGSV,1,1,00*79\r\n$GPGSV,1,1,00*79\r\n'],
    ['it is warm today\nand so it was\n'],
    ['\xc0\x01\x02\x09\xc0\xc0\x01\x03\x09\xc0\xc0\x01\x04\x09\xc0'],
    ['\x04\x05\x06\x07\x00\x04\x05\x06\x07\x00\x04\x05\x06\x07\x00'],
  ])('is taken as it stands: %j', (sent) => {
    const text = sniffedConfig(PLACE, guessStream(Buffer.from(sent, 'latin1')));
    const { serial } = parseConfig(text ?? '', { file: 'gateway.yaml', cwd: '/', environment: {} });
    expect(serial).toHaveLength(1);
    expect(serial[0]).toMatchObject({ ...PLACE, name: 'my-board' });
    expect(serialProblems(serial)).toEqual([]);
  });

  test('is none where nothing makes sense', () => {
    expect(sniffedConfig(PLACE, guessStream(Buffer.alloc(0)))).toBeNull();
    expect(sniffedConfig(PLACE, guessStream(Buffer.from('80ff00', 'hex')))).toBeNull();
  });

  test('names the schema that takes the values, and what it would leave out', () => {
    expect(fitting({ temperature: 1, humidity: 2 })).toMatchObject({
      id: 'environment.v1',
      topic: 'sensors/{device}/environment',
      unknown: [],
    });
    expect(fitting({ temperature: 1, colour: 2 })).toMatchObject({
      id: 'environment.v1',
      unknown: ['colour'],
    });
    expect(fitting({ pm2_5: 1, pm10: 2 })).toMatchObject({ id: 'air-quality.v1' });
    expect(fitting({ value1: 1 })).toBeNull();
    expect(fitting(JSON.parse('{"__proto__":1,"constructor":2}'))).toBeNull();
  });

  test('comes with a schema to begin with, which works as it stands', () => {
    const text = starterSchema({ value1: 1, 'a "quoted" name': 'x', door: true, nothing: null });
    expect(compileSchemas(new Map([['my-board.v1.json', text]])).problems).toEqual([]);
  });
});
