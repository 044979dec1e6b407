/** Numbers as people read them. */

/** `1,234,567` */
export function count(n: number): string {
  return Math.trunc(n)
    .toString()
    .replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

/** `1 rejected reading`, `2 rejected readings` */
export function rejectedReadings(n: number): string {
  return `${count(n)} rejected ${n === 1 ? 'reading' : 'readings'}`;
}

const SIZES = ['KiB', 'MiB', 'GiB', 'TiB'];

/** `17 B`, `3.4 MiB` */
export function bytes(n: number): string {
  if (n < 1024) return `${n} B`;
  let value = n;
  let unit = -1;
  while (value >= 1024 && unit < SIZES.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${SIZES[unit] ?? ''}`;
}

/** How long ago, coarsely: `12 s`, `3 min`, `5 h`, `2 d`; `-` where it never was. */
export function ago(thenMs: number | null, nowMs: number): string {
  if (thenMs === null) return '-';
  const s = Math.max(0, Math.round((nowMs - thenMs) / 1000));
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  if (s < 172_800) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86_400)} d`;
}

/** `2026-03-01 12:00:00.000Z` */
export function moment(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? '-' : date.toISOString().replace('T', ' ');
}
