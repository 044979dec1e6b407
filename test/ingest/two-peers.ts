import { expect } from 'vitest';
import type { Message } from '../../gateway/contracts.ts';
import type { Store, Tally } from '../../gateway/store-contract.ts';
import { NOW_MS, schema } from '../readings/under-test.ts';
import { delivered, type PeerGateway, type PeerOptions, peerGateway, shared } from './peered-gateway.ts';

/** With the time of its arrival, and an identity. */
export const COUNTED = schema({
  telemetry: { identity: ['seq'] },
  properties: { seq: { type: 'integer' } },
  required: ['temperature', 'seq'],
});
/** With a time of its own as well, and where it has no `seq`, with nothing but that. */
export const TIMED = schema({
  telemetry: { identity: ['seq'], time: { property: 'ts', unit: 'ms' } },
  properties: { seq: { type: 'integer' }, ts: { type: 'integer' } },
  required: ['temperature'],
});
const NAMES = ['attic', 'cellar'];

/** One of two, the attic and the cellar, unless `some` says otherwise. */
export function gateway(name: string, some: Partial<PeerOptions> = {}): PeerGateway {
  return peerGateway({
    name,
    others: NAMES.filter((each) => each !== name),
    schema: COUNTED,
    nowMs: NOW_MS,
    ...some,
  });
}

/** A topic whose home is the cellar, and one whose home is the attic: as the gateways themselves have it. */
function topicsByHome(): { readonly cellar: string; readonly attic: string } {
  const found = new Map<string, string>();
  for (let i = 0; i < 100 && found.size < 2; i += 1) {
    const topic = `t/dev-${i}`;
    const [outcome] = gateway('attic').take(shared(topic, reading(1))).outcomes;
    found.set(outcome?.kind === 'forwarded' ? 'cellar' : 'attic', topic);
  }
  return { cellar: found.get('cellar') ?? '', attic: found.get('attic') ?? '' };
}

export const { cellar: FOREIGN, attic: OWN } = topicsByHome();

/** Its time is that of its arrival, and `seq` tells its repeats. */
export function reading(seq: number, more: object = {}): string {
  return JSON.stringify({ temperature: seq, seq, ...more });
}

export function kinds(outcomes: readonly { readonly kind: string }[]): string[] {
  return outcomes.map(({ kind }) => kind);
}

/** Takes a message and waits until that is on disk. */
export async function taken(by: PeerGateway, message: Message): Promise<string[]> {
  const { outcomes, committed } = by.take(message);
  await committed;
  return kinds(outcomes);
}

/** Everything that waits at one gateway for another comes there. */
export async function passOn(
  from: PeerGateway,
  to: PeerGateway,
  names: readonly [from: string, to: string],
): Promise<string[]> {
  const all: string[] = [];
  for (const parcel of from.waitingFor(names[1])) all.push(...(await taken(to, delivered(parcel, names[0]))));
  return all;
}

/** Its account closes everywhere. */
export function tallyOf(store: Store): Tally {
  const { total, sources, devices } = store.account();
  const all = [total, ...Object.values(sources), ...devices.values()];
  for (const { received, stored, duplicate, rejected, forwarded, refused } of all)
    expect(received).toBe(stored + duplicate + rejected + forwarded + refused);
  return total;
}
