/** `sim-0001`: of the device with this index among all of the run. */
export function deviceName(index: number): string {
  return `sim-${String(index + 1).padStart(4, '0')}`;
}

/**
 * A client id: `%i` is the index of the device among all, `%d` its name; where several share a connection, of the first
 * of them.
 */
export function clientIdOf(template: string, index: number, name: string): string {
  return template.replaceAll('%i', String(index)).replaceAll('%d', name);
}
