import { splitPointer } from './json-document.ts';

/** Property names from the top of a reading: of a plain name, or of a JSON Pointer where it begins with a slash. */
export function propertyPath(nameOrPointer: string): string[] {
  return nameOrPointer.startsWith('/') ? splitPointer(nameOrPointer) : [nameOrPointer];
}

export function samePath(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, i) => name === b[i]);
}

/** The value of an own property; undefined where there is none. Never what an object inherits. */
export function ownValue(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  // Has it as its own, of unknown type.
  return (value as Readonly<Record<string, unknown>>)[name];
}

/** A reader of the value at a path. */
export function valueAt(path: readonly string[]): (reading: unknown) => unknown {
  const [only] = path;
  if (path.length === 1 && only !== undefined) return (reading) => ownValue(reading, only);
  return (reading) => path.reduce(ownValue, reading);
}

/** Takes a value out of a decoded payload, which is the gateway's own copy. */
export function clearValue(reading: unknown, path: readonly string[]): void {
  const owner = path.slice(0, -1).reduce(ownValue, reading);
  const name = path.at(-1);
  if (typeof owner !== 'object' || owner === null || name === undefined || !Object.hasOwn(owner, name))
    return;
  // Undefined rather than deleted: to the validator it is absent, and the object keeps its shape. An own property
  // is written, so not even `__proto__` reaches further.
  Object.defineProperty(owner, name, {
    value: undefined,
    enumerable: true,
    configurable: true,
    writable: true,
  });
}
