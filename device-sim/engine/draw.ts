/**
 * A number in [0, 1) that depends on what it is drawn for alone (seed, device, number, purpose), not on what was drawn
 * before: so a run whose readings were held back draws the same for all others. Integer operations only: the same on
 * every machine.
 */
export function draw(seed: number, device: number, n: number, purpose: number): number {
  let mixed = mix(seed ^ 0x2545f491);
  mixed = mix(mixed ^ Math.imul(device + 1, 0x9e3779b1));
  mixed = mix(mixed ^ Math.imul(n + 1, 0x85ebca77));
  mixed = mix(mixed ^ Math.imul(purpose + 1, 0xc2b2ae3d));
  return (mixed >>> 0) / 2 ** 32;
}

/** What is drawn for. */
export const PURPOSE = { phase: 0, fault: 1, storm: 2 } as const;

function mix(value: number): number {
  let mixed = value;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return mixed ^ (mixed >>> 15);
}
