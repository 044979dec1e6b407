import { resolve } from 'node:path';
import type { Scenario } from './contracts.ts';
import { createModel } from './model/create-model.ts';
import { loadReadingSchemas } from './model/reading-schemas.ts';

/** Some devices begin in silence. */
const MOST_SILENT = 1000;

/**
 * The `serial:` part of a gateway's configuration that fits the serial devices of a scenario, as YAML: over a cable no
 * topic is said and no name, so the gateway has to know both. Null: there are none that make their ports.
 */
export function serialConfig(scenario: Scenario, ports: string): string | null {
  const { devices } = createModel(scenario, loadReadingSchemas(scenario.schemas), 0);
  const lines: string[] = [];
  for (const device of devices) {
    const link = scenario.fleets[device.fleet]?.link;
    if (link?.kind !== 'serial' || link.path !== null) continue;
    let reading = null;
    for (let n = 0; n < MOST_SILENT && reading === null; n += 1) reading = device.next(n * 1_000_000);
    const path = JSON.stringify(resolve(ports, device.name));
    const topic = JSON.stringify(reading?.topic ?? '');
    const ack = link.ack ? ', ack: true' : '';
    lines.push(`  - { path: ${path}, device: ${JSON.stringify(device.name)}, topic: ${topic}${ack} }`);
  }
  return lines.length === 0 ? null : ['serial:', ...lines].join('\n');
}
