/** Sizes and durations as people write them: `256MiB`, `10%`, `30d`. */

const SIZE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1e3,
  min: 60e3,
  h: 3600e3,
  d: 86_400e3,
};

/** A share of another quota, or bytes of its own. */
export type Quota = { readonly percent: number } | { readonly bytes: number };

function parseWith(units: Readonly<Record<string, number>>, text: string): number | null {
  const match = /^(\d{1,15}(?:\.\d{1,6})?) ?([A-Za-z]{1,3})$/.exec(text);
  const unit = units[match?.[2] ?? ''];
  if (match === null || unit === undefined) return null;
  const value = Math.floor(Number(match[1]) * unit);
  return Number.isSafeInteger(value) ? value : null;
}

/** Bytes; null where the text is no size. */
export function parseSize(text: string): number | null {
  return parseWith(SIZE_UNITS, text);
}

/** Milliseconds; null where the text is no duration. */
export function parseDuration(text: string): number | null {
  return parseWith(DURATION_UNITS, text);
}

/** `10%` of something, or a size; null where the text is neither. */
export function parseQuota(text: string): Quota | null {
  const match = /^(\d{1,3}(?:\.\d{1,6})?) ?%$/.exec(text);
  if (match !== null) {
    const percent = Number(match[1]);
    return percent <= 100 ? { percent } : null;
  }
  const bytes = parseSize(text);
  return bytes === null ? null : { bytes };
}

/** What a quota comes to where the whole is `ofBytes`. */
export function quotaBytes(quota: Quota, ofBytes: number): number {
  return 'bytes' in quota ? quota.bytes : Math.floor((quota.percent / 100) * ofBytes);
}
