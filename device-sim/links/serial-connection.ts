import type { SerialLinkSpec } from '../contracts.ts';
import type { LinkDeps, LinkNames } from './link-deps.ts';
import { PtyCable } from './pty-cable.ts';
import { type TtyHandler, TtyPort } from './tty-port.ts';

/** A port that is open, with the cable behind it where we made one. */
export interface SerialConnection {
  readonly port: TtyPort;
  /** The device is gone, and so is the port where we made it. */
  unplug(): Promise<void>;
}

/** Opens the port of the spec, or makes a pair of pseudo terminals. @throws Error in words; GatewayError where socat is missing. */
export async function openSerial(
  spec: SerialLinkSpec,
  names: LinkNames,
  ports: LinkDeps['ports'],
  handler: TtyHandler,
): Promise<SerialConnection> {
  if (spec.path !== null) {
    const path = spec.path.replaceAll('%i', String(names.index)).replaceAll('%d', names.device);
    const port = await TtyPort.open(path, spec.baudRate, handler);
    return { port, unplug: async () => await port.close() };
  }
  if (ports === null) throw new Error('there is no folder to make serial ports in');
  const cable = await PtyCable.plug(ports, names.device);
  try {
    const port = await TtyPort.open(cable.farPath, spec.baudRate, handler);
    return {
      port,
      unplug: async () => {
        await cable.unplug();
        await port.close();
      },
    };
  } catch (error) {
    await cable.unplug();
    throw error;
  }
}
