import { Counter, Gauge, type Registry } from 'prom-client';
import type { OutboxLedger } from '../store-contract.ts';

/** Metrics of what is passed on to other brokers, read off the store's own ledgers when somebody asks. */
export function createForwardMetrics(registry: Registry, outboxes: () => readonly OutboxLedger[]): void {
  const registers = [registry];
  new Counter({
    name: 'gateway_forward_messages_total',
    help: 'Messages for another broker by what became of them; taken less sent and dropped is what waits.',
    labelNames: ['forward', 'outcome'],
    registers,
    collect() {
      this.reset();
      for (const { name: forward, taken, sent, dropped } of outboxes()) {
        this.inc({ forward, outcome: 'taken' }, taken);
        this.inc({ forward, outcome: 'sent' }, sent);
        this.inc({ forward, outcome: 'dropped' }, dropped);
      }
    },
  });
  new Gauge({
    name: 'gateway_forward_pending',
    help: 'Messages that wait for another broker.',
    labelNames: ['forward'],
    registers,
    collect() {
      this.reset();
      for (const { name: forward, pending } of outboxes()) this.set({ forward }, pending);
    },
  });
}
