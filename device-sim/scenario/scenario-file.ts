/** A YAML text that still knows where each part of it stands, so that a problem can be named at its place. */
import { isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Problem } from '../../gateway/errors.ts';
import { yamlErrorWords } from '../../gateway/yaml-words.ts';

export interface ScenarioFile {
  readonly value: unknown;
  /** Of the YAML itself. */
  readonly problems: readonly Problem[];
  /** `pointer`: JSON Pointer (RFC 6901); a part that is not there is shown at what would hold it. */
  problem(pointer: string, message: string): Problem;
}

/** Aliases are expanded at most so often: a few lines of them could stand for gigabytes. */
const MAX_ALIASES = 100;
const NO_ALIAS = `an alias (*) stands for nothing, or for too much (${MAX_ALIASES} uses at most): write a text that begins with * in quotes`;

export function readScenarioText(text: string, file: string): ScenarioFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true });
  const at = (offset: number, pointer: string, message: string): Problem => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col), pointer, message };
  };
  // After the first mistake in the YAML itself whatever else the parser says misleads.
  const problems = [...document.errors, ...document.warnings]
    .slice(0, 1)
    .map((error) => at(error.pos[0], '', yamlErrorWords(error)));
  let value: unknown = null;
  try {
    if (problems.length === 0) value = document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch {
    // The library's words may hold what the file holds.
    problems.push(at(0, '', NO_ALIAS));
  }
  const offsetOf = (pointer: string): number => {
    let node: unknown = document.contents;
    let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
    for (const segment of pointer.split('/').slice(1)) {
      const key = segment.replaceAll('~1', '/').replaceAll('~0', '~');
      if (isMap(node)) {
        const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === key);
        if (pair === undefined) break;
        if (isNode(pair.key)) offset = pair.key.range?.[0] ?? offset;
        node = pair.value;
      } else if (isSeq(node)) {
        node = node.items[Number(key)];
        if (!isNode(node)) break;
        offset = node.range?.[0] ?? offset;
      } else {
        break;
      }
    }
    return offset;
  };
  return {
    value: value ?? {},
    problems,
    problem: (pointer, message) => at(offsetOf(pointer), pointer, message),
  };
}
