import type { Registry } from 'prom-client';
import type { OutboxLedger } from '../store-contract.ts';
import { collectedMetrics } from './collected-metrics.ts';

/** Metrics of what is passed on to other brokers, read off the store's own ledgers when somebody asks. */
export function createForwardMetrics(registry: Registry, outboxes: () => readonly OutboxLedger[]): void {
  const { counter, gauge } = collectedMetrics(registry, outboxes);
  counter(
    'gateway_forward_messages_total',
    'Messages for another broker by what became of them; taken less sent and dropped is what waits.',
    ['forward', 'outcome'],
    function* (all) {
      for (const { name: forward, taken, sent, dropped } of all) {
        yield [{ forward, outcome: 'taken' }, taken];
        yield [{ forward, outcome: 'sent' }, sent];
        yield [{ forward, outcome: 'dropped' }, dropped];
      }
    },
  );
  gauge('gateway_forward_pending', 'Messages that wait for another broker.', ['forward'], (all) =>
    all.map(({ name: forward, pending }) => [{ forward }, pending]),
  );
}
