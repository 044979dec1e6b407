import type { Message, Relay, Route } from '../contracts.ts';

/**
 * The format spec by which a message is read: what its source says (a serial port's), else what its schema names, else
 * what the content type of a message from another broker says, else the usual one of its topic.
 */
export function formatOf(
  message: Pick<Message, 'format' | 'relay'>,
  route: Pick<Route, 'format' | 'namesFormat'>,
): string {
  const { format, relay } = message;
  // JSON on a topic of bare values is read as there is usual, which is wider: a word may be one that is declared missing.
  if (format !== null) return format === 'json' && route.format === 'scalar' ? 'scalar' : format;
  return relay === null || route.namesFormat ? route.format : byContentType(relay, route.format);
}

/** A content type is looked at so far; a longer one names no format of ours. */
const MAX_TYPE_CHARACTERS = 128;

/**
 * Media types (RFC 6838), without their parameters. What is not known says nothing, and neither does `text/plain`: that is
 * what clients say who do not know. On a topic of bare values a JSON one is read as there is usual, which is wider, and
 * there is no bare value in CSV.
 */
function byContentType({ contentType }: Relay, usual: string): string {
  if (contentType === null || contentType === 'application/json') return usual;
  if (contentType.length > MAX_TYPE_CHARACTERS) return usual;
  const [type = ''] = contentType.split(';', 1);
  const name = type.trim().toLowerCase();
  if (name === 'application/cbor' || name.endsWith('+cbor')) return 'cbor';
  return name === 'text/csv' && usual === 'json' ? 'csv' : usual;
}
