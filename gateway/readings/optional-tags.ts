import type { Problem } from '../errors.ts';
import { parseJsonDocument } from './json-document.ts';
import { propertyPath, samePath } from './property-path.ts';
import type { ReadingSchema } from './reading-schema.ts';

/**
 * Tags that are properties which no part of their schema requires: a reading that leaves one out is stored without the tag,
 * so what one device sends is spread over two series. That may be meant; where it is a slip, nothing else shows it.
 */
export function optionalTags(schemas: readonly ReadingSchema[]): readonly Problem[] {
  return schemas.flatMap((schema) => {
    const { device, tags } = schema.plan.series;
    const paths = [...tags.values()].flatMap((source) => (source.kind === 'property' ? [source.path] : []));
    const listed = schema.telemetry.tags ?? [];
    if (paths.length === 0 || listed.length === 0) return [];
    const required = requiredNames(parseJsonDocument(schema.file, schema.text).document?.value);
    return listed.flatMap((name, i) => {
      if (typeof name !== 'string') return [];
      const path = propertyPath(name);
      if (!paths.some((each) => samePath(each, path))) return [];
      // Without the device there is no reading.
      if (device.kind === 'property' && samePath(device.path, path)) return [];
      if (path.every((part) => required.has(part))) return [];
      return [
        schema.problem(
          `/telemetry/tags/${i}`,
          `"${name}" is not required: a reading without it is stored without this tag, as another series`,
        ),
      ];
    });
  });
}

/** Every name that is required anywhere in it, also under a condition: of those nothing is said. */
function requiredNames(part: unknown, found: Set<string> = new Set()): ReadonlySet<string> {
  if (typeof part !== 'object' || part === null) return found;
  for (const [key, value] of Object.entries(part)) {
    if (key === 'required' && Array.isArray(value)) {
      for (const name of value) if (typeof name === 'string') found.add(name);
    } else requiredNames(value, found);
  }
  return found;
}
