import { printable } from '../printable.ts';
import type { PortReport, PortsReport } from './serial-ports.ts';

const MAX_CHARACTERS = 256;

/** The ports for people. */
export function portsText({ ports, missing }: PortsReport): string {
  const lines = ports.flatMap((port) => [...portLines(port), '']);
  if (ports.length === 0) lines.push('no serial ports here', '');
  for (const entry of missing) lines.push(`${entry} of the configuration: its port is not there`, '');
  return `${lines.slice(0, -1).join('\n')}\n`;
}

function portLines(port: PortReport): readonly string[] {
  const { vendorId, productId, serialNumber, manufacturer, product, byId, byPath } = port;
  const title = [
    port.path,
    vendorId === null ? null : `${vendorId}:${productId ?? '?'}`,
    serialNumber === null ? null : `serial number ${serialNumber}`,
    [manufacturer, product].filter((part) => part !== null).join(' ') || null,
  ];
  const state = port.gateway === null ? (port.trouble ?? 'free') : `open by this gateway, as ${port.gateway}`;
  return [
    title
      .filter((part) => part !== null)
      .map((part) => printable(part, MAX_CHARACTERS))
      .join('  '),
    ...byId.map((link) => `  by-id    ${printable(link, MAX_CHARACTERS)}`),
    ...byPath.map((link) => `  by-path  ${printable(link, MAX_CHARACTERS)}`),
    ...(port.entries.length === 0 ? [] : [`  entry    ${port.entries.join(', ')}`]),
    `  state    ${printable(state, MAX_CHARACTERS)}`,
  ];
}
