import { GatewayError } from '../../errors.ts';
import { cobsFraming } from './cobs-framing.ts';
import { DelimitedFramer } from './delimited-framer.ts';
import { fixedFraming, PMS5003, SDS011 } from './fixed-framing.ts';
import type { Framer, FramerOutput } from './framer.ts';
import type { FramingOptions } from './framing-options.ts';
import { framingProblem } from './framing-problem.ts';
import { lengthFraming } from './length-framing.ts';
import { lineFraming } from './line-framing.ts';
import { NmeaFramer } from './nmea-framer.ts';
import { ScanningFramer } from './scanning-framer.ts';
import { slipFraming } from './slip-framing.ts';

/**
 * A framer for one connection.
 * @throws GatewayError `config-invalid` for options that make no sense: what `framingProblem` says of them.
 */
export function createFramer(options: FramingOptions, output: FramerOutput): Framer {
  const problem = framingProblem(options);
  if (problem !== null) throw new GatewayError('config-invalid', `framing ${options.kind}: ${problem}`);
  switch (options.kind) {
    case 'line':
      return new DelimitedFramer(lineFraming(options), output);
    case 'slip':
      return new DelimitedFramer(slipFraming(options), output);
    case 'cobs':
      return new DelimitedFramer(cobsFraming(options), output);
    case 'length':
      return new ScanningFramer(lengthFraming(options), output);
    case 'fixed':
      return new ScanningFramer(fixedFraming(options), output);
    case 'pms5003':
      return new ScanningFramer(fixedFraming(PMS5003), output);
    case 'sds011':
      return new ScanningFramer(fixedFraming(SDS011), output);
    case 'nmea':
      return new NmeaFramer(options, output);
    default:
      return options satisfies never;
  }
}
