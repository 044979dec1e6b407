import { Counter, Gauge, type Registry } from 'prom-client';

export type Labels = Readonly<Record<string, string>>;
export type Values = Iterable<readonly [Labels, number]>;

/** Adds one metric; `values` tells all that it has when somebody asks. */
export type AddMetric<T> = (
  name: string,
  help: string,
  labelNames: readonly string[],
  values: (now: T) => Values,
) => void;

/**
 * Metrics that cost nothing until somebody asks: each is read off `current()` at a scrape, and has no values then but those.
 * Counters too: what they tell has been counted elsewhere.
 */
export function collectedMetrics<T>(
  registry: Registry,
  current: () => T,
): { readonly counter: AddMetric<T>; readonly gauge: AddMetric<T> } {
  const registers = [registry];
  return {
    counter(name, help, labelNames, values) {
      new Counter({
        name,
        help,
        labelNames,
        registers,
        collect() {
          this.reset();
          for (const [labels, value] of values(current())) this.inc(labels, value);
        },
      });
    },
    gauge(name, help, labelNames, values) {
      new Gauge({
        name,
        help,
        labelNames,
        registers,
        collect() {
          this.reset();
          for (const [labels, value] of values(current())) this.set(labels, value);
        },
      });
    },
  };
}
