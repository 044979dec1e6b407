import type { Rejection, RejectionFilter } from '../store-contract.ts';

/** Whether a rejection fits: made once for a filter, asked for each. */
export function rejectionMatcher(filter: RejectionFilter): (rejection: Rejection) => boolean {
  const { code, device, client, topic, schema, sink, sinceMs, untilMs, state = 'open' } = filter;
  const matchesTopic = topic === undefined ? null : topicMatcher(topic);
  return (rejection) =>
    (state === 'all' || (state === 'open') === (rejection.resolved === null)) &&
    (code === undefined || rejection.code === code) &&
    (device === undefined || rejection.device === device) &&
    (client === undefined || rejection.client === client) &&
    (schema === undefined || rejection.schema === schema) &&
    (sink === undefined || rejection.sink === sink) &&
    (sinceMs === undefined || rejection.atMs >= sinceMs) &&
    (untilMs === undefined || rejection.atMs < untilMs) &&
    (matchesTopic === null || matchesTopic(rejection.topic));
}

/**
 * Topics by an MQTT topic filter (MQTT 3.1.1, 4.7): `+` is any one level, `#` at the end any rest, with none. A wildcard at
 * the beginning is for no topic that begins with `$` (4.7.2).
 */
export function topicMatcher(filter: string): (topic: string) => boolean {
  if (!/[+#]/.test(filter)) return (topic) => topic === filter;
  const wanted = filter.split('/');
  const isOpen = wanted.at(-1) === '#';
  if (isOpen) wanted.pop();
  const isWildAtFirst = filter.startsWith('+') || filter.startsWith('#');
  return (topic) => {
    if (isWildAtFirst && topic.startsWith('$')) return false;
    const levels = topic.split('/');
    if (isOpen ? levels.length < wanted.length : levels.length !== wanted.length) return false;
    return wanted.every((level, i) => level === '+' || level === levels[i]);
  };
}
