import {
  type FleetSpec,
  MQTT_FAULTS,
  type MqttFault,
  SERIAL_FAULTS,
  type SerialFault,
} from '../contracts.ts';
import { draw, PURPOSE } from './draw.ts';

export type DeliveryFault = MqttFault | SerialFault;

/**
 * Which readings of a fleet meet which fault on their way: at most one each, by seed, device and number alone. Where the
 * rates come to more than 1, the later faults of the table strike less often.
 */
export function deliveryFaults(
  fleet: FleetSpec,
  seed: number,
): (device: number, n: number) => DeliveryFault | null {
  const kinds: readonly DeliveryFault[] = fleet.link.kind === 'mqtt' ? MQTT_FAULTS : SERIAL_FAULTS;
  const strikes: { readonly fault: DeliveryFault; readonly below: number }[] = [];
  let below = 0;
  for (const fault of kinds) {
    const rate = fleet.faults[fault] ?? 0;
    if (rate === 0) continue;
    below += rate;
    strikes.push({ fault, below });
  }
  if (strikes.length === 0) return () => null;
  return (device, n) => {
    const drawn = draw(seed, device, n, PURPOSE.fault);
    return strikes.find((each) => drawn < each.below)?.fault ?? null;
  };
}
