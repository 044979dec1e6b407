/** Topic filters of other brokers (MQTT 3.1.1, 4.7). Pure. */

const MAX_FILTER_BYTES = 1024;

/** Why this is no filter; null when it is one. `$share/…` is for the caller to take off. */
export function topicFilterProblem(filter: string): string | null {
  if (filter === '') return 'is empty';
  if (Buffer.byteLength(filter) > MAX_FILTER_BYTES) return `has more than ${MAX_FILTER_BYTES} bytes`;
  if (/\p{Cc}|�/u.test(filter)) return 'holds a control character';
  const levels = filter.split('/');
  if (levels.some((level) => level.length > 1 && /[+#]/.test(level)))
    return 'has a wildcard that is not a whole level';
  if (levels.slice(0, -1).includes('#')) return 'has # before its end';
  return null;
}

/** Why nothing may be published under this prefix or topic; null when it may. */
export function topicNameProblem(topic: string): string | null {
  return /[+#]/.test(topic) ? 'holds a wildcard' : topicFilterProblem(topic);
}

/** Takes the group off a shared subscription (MQTT 5, 4.8.2). */
export function withoutShare(filter: string): { readonly filter: string; readonly share: string | null } {
  const match = /^\$share\/([^/+#]+)\/(.+)$/s.exec(filter);
  const [, share, rest] = match ?? [];
  return share === undefined || rest === undefined ? { filter, share: null } : { filter: rest, share };
}

export function filterTakes(filter: string, topic: string): boolean {
  return covers(filter.split('/'), topic.split('/'));
}

/** Every topic that `inner` takes, `outer` takes too. */
export function filterCovers(outer: string, inner: string): boolean {
  return covers(outer.split('/'), inner.split('/'));
}

/** The filter for the topics that both take; null where there are none. */
export function commonFilter(a: string, b: string): string | null {
  const first = a.split('/');
  const second = b.split('/');
  if (isHiddenFrom(first, second) || isHiddenFrom(second, first)) return null;
  const levels: string[] = [];
  for (let i = 0; ; i += 1) {
    const x = first[i];
    const y = second[i];
    if (x === '#') return [...levels, ...second.slice(i)].join('/');
    if (y === '#') return [...levels, ...first.slice(i)].join('/');
    if (x === undefined || y === undefined) return x === y ? levels.join('/') : null;
    if (x !== '+' && y !== '+' && x !== y) return null;
    levels.push(x === '+' ? y : x);
  }
}

function covers(outer: readonly string[], inner: readonly string[]): boolean {
  if (isHiddenFrom(outer, inner)) return false;
  for (let i = 0; ; i += 1) {
    const wanted = outer[i];
    const level = inner[i];
    if (wanted === '#') return true;
    if (wanted === undefined || level === undefined) return wanted === level;
    if (level === '#') return false;
    if (wanted !== '+' && wanted !== level) return false;
  }
}

/** A wildcard at the first level does not reach `$…` (MQTT 3.1.1, 4.7.2). */
function isHiddenFrom([wildcard]: readonly string[], [level]: readonly string[]): boolean {
  return (wildcard === '#' || wildcard === '+') && level?.startsWith('$') === true;
}
