/** A known series as the store keeps it: `series/<16 hex digits of its hash>`, so that a start has no hash to work out. */

export const SERIES_PREFIX = 'series/';

export interface KeptSeries {
  readonly high: number;
  readonly low: number;
  /** Its day of 24 hours in which it was last noted to be seen; see `SeriesSet`. */
  readonly day: number;
  readonly device: string;
  readonly measurement: string;
  readonly key: string;
}

export function seriesDocumentName(high: number, low: number): string {
  return SERIES_PREFIX + hex(high) + hex(low);
}

/** Four lines; names in line protocol have no line breaks. */
export function encodeSeries({ day, device, measurement, key }: Omit<KeptSeries, 'high' | 'low'>): string {
  return `${day}\n${device}\n${measurement}\n${key}`;
}

/** Null where it is not what `encodeSeries` writes. */
export function decodeSeries(name: string, text: string): KeptSeries | null {
  const high = Number.parseInt(name.slice(SERIES_PREFIX.length, SERIES_PREFIX.length + 8), 16);
  const low = Number.parseInt(name.slice(SERIES_PREFIX.length + 8), 16);
  const [dayText = '', device, measurement, key] = text.split('\n');
  const day = Number(dayText);
  if (Number.isNaN(high) || Number.isNaN(low) || !Number.isSafeInteger(day) || day < 0) return null;
  if (device === undefined || measurement === undefined || key === undefined) return null;
  return { high, low, day, device, measurement, key };
}

function hex(word: number): string {
  return word.toString(16).padStart(8, '0');
}
