/** What may stand behind a user and a password: itself, escaped in a URL, or as wide as it is typed in East Asia. */
const AT_SIGNS = ['@', '%40', '\uff20'] as const;

/**
 * A text for people that may hold an address as somebody typed it, right or wrong: nothing behind a `:` and before an `@` is
 * left in it. Where words come before the address, a `:` with a blank behind it begins none.
 */
export function hidePasswords(text: string): string {
  const end = Math.max(...AT_SIGNS.map((sign) => text.lastIndexOf(sign)));
  const colon = text.search(/:(?=\S)/);
  return colon === -1 || colon > end ? text : `${text.slice(0, colon + 1)}…${text.slice(end)}`;
}
