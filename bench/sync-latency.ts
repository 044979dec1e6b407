/** What the disk itself takes to make a few kilobytes durable: the measure for acknowledgement latency. */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LatencyHistogram } from '../device-sim/measure/latency-histogram.ts';

/** Overwrites and syncs 4 KiB again and again for `ms`, where the gateway's data lies in the bench. */
export function syncLatencies(ms: number): LatencyHistogram {
  const folder = mkdtempSync(join(tmpdir(), 'telemetry-sync-'));
  const file = openSync(join(folder, 'file'), 'w');
  const block = Buffer.alloc(4096, 1);
  const latencies = new LatencyHistogram();
  try {
    writeSync(file, Buffer.alloc(2 ** 20));
    fdatasyncSync(file);
    const end = performance.now() + ms;
    for (let i = 0; performance.now() < end; i += 1) {
      const began = performance.now();
      writeSync(file, block, 0, block.length, (i % 256) * 4096);
      fdatasyncSync(file);
      latencies.record(performance.now() - began);
    }
  } finally {
    closeSync(file);
    rmSync(folder, { recursive: true, force: true });
  }
  return latencies;
}
