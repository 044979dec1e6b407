import { draw, PURPOSE } from './draw.ts';
import type { Timeline } from './timeline.ts';

export interface ScheduledDevice {
  readonly ratePerSecond: number;
  /** When it begins to speak; µs after the start of the run. */
  readonly fromUs: number;
}

/**
 * When each device says something: its k-th reading is due at its beginning plus (k + phase) / rate, whatever became of
 * the ones before. Due times are whole µs; what is due at once comes in the order of the devices. One heap for all: the
 * next one of 15,000 costs a few comparisons, and there is no timer per device.
 */
export class Schedule {
  readonly #devices: readonly ScheduledDevice[];
  readonly #timeline: Timeline;
  /** Weighted µs at which the count of each begins, and how many of them one reading takes. */
  readonly #beginUs: Float64Array;
  readonly #stepUs: Float64Array;
  readonly #count: Float64Array;
  readonly #dueUs: Float64Array;
  /** Devices, the next one due first. */
  readonly #heap: Uint32Array;
  #size: number;

  constructor(devices: readonly ScheduledDevice[], timeline: Timeline, seed: number) {
    this.#devices = devices;
    this.#timeline = timeline;
    this.#beginUs = new Float64Array(devices.length);
    this.#stepUs = new Float64Array(devices.length);
    this.#count = new Float64Array(devices.length);
    this.#dueUs = new Float64Array(devices.length);
    this.#heap = new Uint32Array(devices.length);
    for (const [i, { ratePerSecond, fromUs }] of devices.entries()) {
      this.#stepUs[i] = 1e6 / ratePerSecond;
      const phase = draw(seed, i, 0, PURPOSE.phase);
      this.#beginUs[i] = timeline.weightAt(fromUs) + phase * (1e6 / ratePerSecond);
      this.#dueUs[i] = this.#dueOf(i);
      this.#heap[i] = i;
    }
    this.#size = devices.length;
    for (let i = (this.#size >> 1) - 1; i >= 0; i -= 1) this.#sink(i);
  }

  /** µs after the start at which the next reading is due; Infinity: none any more. */
  get nextUs(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : this.#due(this.#top());
  }

  /** Takes the next reading off the schedule; says whose it is. Only while `nextUs` is finite. */
  take(): number {
    const device = this.#top();
    this.#count[device] = (this.#count[device] ?? 0) + 1;
    this.#dueUs[device] = this.#dueOf(device);
    this.#sink(0);
    return device;
  }

  get devices(): number {
    return this.#devices.length;
  }

  #top(): number {
    return this.#heap[0] ?? 0;
  }

  #due(device: number): number {
    return this.#dueUs[device] ?? Number.POSITIVE_INFINITY;
  }

  #dueOf(device: number): number {
    const weightUs = (this.#beginUs[device] ?? 0) + (this.#count[device] ?? 0) * (this.#stepUs[device] ?? 0);
    return Math.floor(this.#timeline.offsetAt(weightUs));
  }

  #before(a: number, b: number): boolean {
    const dueA = this.#due(a);
    const dueB = this.#due(b);
    return dueA < dueB || (dueA === dueB && a < b);
  }

  #sink(from: number): void {
    const heap = this.#heap;
    const moving = heap[from] ?? 0;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && this.#before(heap[child + 1] ?? 0, heap[child] ?? 0)) child += 1;
      const lower = heap[child] ?? 0;
      if (!this.#before(lower, moving)) break;
      heap[at] = lower;
      at = child;
    }
    heap[at] = moving;
  }
}
