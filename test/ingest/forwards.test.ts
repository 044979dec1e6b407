import { describe, expect, it } from 'vitest';
import type { Outcome, Reading } from '../../gateway/contracts.ts';
import { createForwards, type Forwards } from '../../gateway/ingest/forwards.ts';
import { FakeGroup, FakeStore, MESSAGE, pointOf, seriesOf } from '../ledgers/fake-store.ts';

class OutGroup extends FakeGroup {
  readonly out: string[] = [];
  constructor() {
    super(new FakeStore());
  }
  override forward(outbox = '', topic = '', payload: Buffer = Buffer.alloc(0)): void {
    this.out.push(`${outbox} ${topic} ${payload.toString()}`);
  }
}

const POINT: Reading = { ...pointOf(seriesOf()), line: 'machine,device=a value=1.5 1772366400000000042\n' };
const BAD: Reading = {
  kind: 'bad',
  device: 'a',
  schema: null,
  code: 'invalid',
  violations: [],
  sentUs: null,
  seq: null,
};
const STORED: Outcome = { kind: 'stored', receipt: null };
const DUPLICATE: Outcome = { kind: 'duplicate', receipt: null };
const REJECTED: Outcome = {
  kind: 'rejected',
  id: 'r1',
  code: 'invalid',
  violations: [],
  atMs: 0,
  seq: null,
};
const JSON_TEXT =
  '{"device":"a","measurement":"machine","schema":"machine.v1","time":"2026-03-01T12:00:00.000000042Z","time_ns":"1772366400000000042","tags":{"device":"a"},"fields":{"value":1.5}}';

const ALL = ['valid', 'readings', 'raw'].map((send) => ({
  name: send,
  topics: ['machines/#'],
  // The three words of the configuration.
  send: send as 'valid' | 'readings' | 'raw',
  prefix: 'site1/',
}));

function forwardsOf(configs: Parameters<typeof createForwards>[0] = ALL): Forwards {
  const forwards = createForwards(configs);
  if (forwards === null) throw new Error('nothing is forwarded');
  return forwards;
}

function took(readings: readonly Reading[], outcomes: readonly Outcome[], topic = 'machines/a'): string[] {
  const group = new OutGroup();
  const message = { ...MESSAGE, topic, payload: Buffer.from('<as it came>') };
  forwardsOf().took(message, readings, outcomes, group);
  return group.out;
}

describe('what goes on to other brokers', () => {
  it('is nothing where nothing is configured, and nothing of topics that no filter takes in', () => {
    expect(createForwards([])).toBeNull();
    expect(took([POINT], [STORED], 'other/a')).toEqual([]);
    expect(forwardsOf().wants('other/a')).toBe(false);
    expect(forwardsOf().wants('machines/a')).toBe(true);
  });

  it('is a stored message as it came, and each of its readings as JSON, under the prefix', () => {
    expect(took([POINT], [STORED])).toEqual([
      'raw site1/machines/a <as it came>',
      'valid site1/machines/a <as it came>',
      `readings site1/machines/a ${JSON_TEXT}`,
    ]);
  });

  it.each<[string, Outcome[], string[]]>([
    ['rejected', [REJECTED], ['raw']],
    ['stored in part', [STORED, REJECTED], ['raw', 'readings']],
    ['known already', [DUPLICATE], ['raw']],
    ['new in part', [STORED, DUPLICATE], ['raw', 'valid', 'readings']],
    ['stored whole', [STORED, STORED], ['raw', 'valid', 'readings', 'readings']],
  ])('of a message that is %s only those that want it so', (_, outcomes, who) => {
    const readings = outcomes.map(({ kind }) => (kind === 'rejected' ? BAD : POINT));
    expect(took(readings, outcomes).map((line) => line.split(' ')[0])).toEqual(who);
  });

  it('is, of what no schema claims, what wants everything', () => {
    const group = new OutGroup();
    forwardsOf().passed({ ...MESSAGE, payload: Buffer.from('x') }, group);
    expect(group.out).toEqual(['raw site1/machines/a x']);
  });

  it('is, of a rejected reading that is replayed, all but what went out as it came', () => {
    const group = new OutGroup();
    forwardsOf().replayed({ ...MESSAGE, payload: Buffer.from('x') }, [POINT], [STORED], group);
    expect(group.out.map((line) => line.split(' ')[0])).toEqual(['valid', 'readings']);
  });

  it('is, where several filters of one forward take in a topic, sent once', () => {
    const group = new OutGroup();
    const topics = ['machines/#', '+/a', 'machines/a'];
    const forwards = forwardsOf([{ name: 'x', topics, send: 'raw', prefix: '' }]);
    forwards.took({ ...MESSAGE, payload: Buffer.from('x') }, [POINT], [STORED], group);
    expect(group.out).toEqual(['x machines/a x']);
  });
});
