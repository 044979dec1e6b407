/** Variables by name; the only environment a configuration sees. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface Interpolated {
  readonly text: string;
  /** Names that are not set and have no default. */
  readonly missing: readonly string[];
  /** A `${` that is never closed or names nothing. */
  readonly malformed: boolean;
}

/**
 * Fills `${VAR}` and `${VAR:-default}` in; an empty variable counts as unset for the default, as in a shell. `$${` is a
 * plain `${`. A value is taken as it is: what looks like a variable inside it stays.
 */
export function interpolate(text: string, environment: Environment): Interpolated {
  const missing: string[] = [];
  let malformed = false;
  const filled = text.replace(
    /\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\})?/g,
    (match, name: string | undefined, fallback: string | undefined) => {
      if (match === '$${') return '${';
      if (name === undefined) {
        malformed = true;
        return match;
      }
      const value = Object.hasOwn(environment, name) ? environment[name] : undefined;
      if (value !== undefined && (value !== '' || fallback === undefined)) return value;
      if (fallback === undefined) missing.push(name);
      return fallback ?? '';
    },
  );
  return { text: filled, missing, malformed };
}
