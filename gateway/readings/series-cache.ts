import type { SchemaField, Series } from '../contracts.ts';
import { TwoGenerations } from './two-generations.ts';

/** Series remembered; twice as many at most. Those not used for longest are made anew, with nothing known of them. */
const REMEMBERED_SERIES = 25_000;
/** Longer keys are not remembered: what is stays bounded in bytes as well. */
const REMEMBERED_KEY_CHARS = 512;

/**
 * Series whose tags the payload tells: one object for the same key, so that what the ledgers know of it survives from
 * reading to reading. Bounded for all schemas together, since senders choose the keys.
 */
export class SeriesCache {
  private readonly remembered = new TwoGenerations<Series>(REMEMBERED_SERIES);

  of(key: string, measurement: string, device: string, fields: readonly SchemaField[]): Series {
    const found = this.remembered.get(key);
    // Without a device tag two devices share a key; two schemas of one measurement may, too.
    if (found !== undefined && found.device === device && found.fields === fields) return found;
    const series: Series = { key, measurement, device, fields, known: null };
    if (key.length <= REMEMBERED_KEY_CHARS) this.remembered.set(key, series);
    return series;
  }
}
