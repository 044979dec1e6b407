import { basename } from 'node:path';
import type { GatewayConfig } from '../config/gateway-config.ts';
import { messageOf } from '../errors.ts';
import { findPorts } from '../sources/serial/find-ports.ts';
import { SYSTEM_ROOTS } from '../sources/serial/port-identity.ts';
import { serialProblems } from '../wiring/serial-entries.ts';
import { type Check, good, wrong } from './checks.ts';
import type { CommandParts } from './command-parts.ts';

/** Framings that have a format of their own. */
const PRESETS: ReadonlySet<unknown> = new Set(['nmea', 'pms5003', 'sds011']);

/**
 * Of the serial ports in the configuration: whether their options make sense, whether a schema claims what they bring, and
 * which are there. One that is missing is no problem: it is waited for. Null where none is configured.
 */
export function checkSerial({ serial, ...config }: GatewayConfig, parts: CommandParts): Check | null {
  if (serial.length === 0) return null;
  const name = 'serial';
  const problems = [...serialProblems(serial)];
  const found: string[] = [];
  try {
    const { readings } = parts.loadReadings({ serial, ...config });
    for (const port of serial) {
      const topic = port.topic.replaceAll('{device}', port.device);
      const route = readings.route(topic);
      const format = port.format ?? route?.format;
      if (format === 'json' && PRESETS.has(port.framing.kind))
        problems.push(
          `serial port ${port.name}: its frames are read as json, which no ${port.framing.kind} frame is; write format: ${port.framing.kind}`,
        );
      if (route === null)
        problems.push(
          `serial port ${port.name}: no schema claims its topic ${topic}; \`topic\` is where a schema's topics are`,
        );
      const paths = findPorts(port, SYSTEM_ROOTS).map(({ path }) => basename(path));
      if (paths.length > 1 && !port.each)
        problems.push(
          `serial port ${port.name}: ${paths.join(', ')} all match; name one, or write each: true`,
        );
      else
        found.push(`${port.name}: ${paths.length === 0 ? 'not there, it is waited for' : paths.join(', ')}`);
    }
  } catch (error) {
    problems.push(messageOf(error));
  }
  return problems.length === 0 ? good(name, found.join('; ')) : wrong(name, problems.join('; '));
}
