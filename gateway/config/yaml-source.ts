import {
  type Alias,
  type Document,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type YAMLError,
} from 'yaml';
import { hidePasswords } from '../broker-link/hide-passwords.ts';
import type { Problem } from '../errors.ts';
import { UNKNOWN_ALIAS, yamlErrorWords } from '../yaml-words.ts';
import { type Environment, interpolate } from './interpolate.ts';

/** A YAML text as a plain value that still knows where each part of it stands. */
export interface YamlSource {
  readonly value: unknown;
  /** Problems of the YAML itself and of its variables. */
  readonly problems: readonly Problem[];
  /** JSON Pointers of the scalars that took a variable: always text, whatever they look like. */
  readonly interpolated: ReadonlySet<string>;
  problem(pointer: string, message: string): Problem;
  /** The key is in the file (and not filled in by a default). */
  has(pointer: string): boolean;
}

/** Aliases are expanded at most so often: a few lines of them could stand for gigabytes. */
const MAX_ALIASES = 100;
const TOO_MUCH = `stands for too much: an alias (*) may be used ${MAX_ALIASES} times at most, and not for what holds an alias again and again`;

/** `environment` null: `${` has no meaning in this file. */
export function parseYaml(text: string, file: string, environment: Environment | null): YamlSource {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true });
  const at = (offset: number, pointer: string, message: string): Problem => {
    const { line, col } = lines.linePos(offset);
    // A key, an alias or a tag may be an address that was mistyped.
    return {
      file,
      line: Math.max(1, line),
      column: Math.max(1, col),
      pointer: withoutSecretInKey(hidePasswords(pointer)),
      message: hidePasswords(message),
    };
  };
  // After a first mistake in the YAML itself the parser is lost: what else it reports misleads.
  const problems = [...document.errors, ...document.warnings]
    .slice(0, 1)
    .map((error) => at(offsetOf(document, error), '', yamlErrorWords(error)));
  if (problems.length === 0) {
    const alias = wrongAlias(document);
    if (alias !== null) problems.push(at(alias.node.range?.[0] ?? 0, '', alias.words));
  }
  const interpolated = new Set<string>();
  if (problems.length === 0 && environment !== null)
    fillIn(document, environment, interpolated, problems, at);

  let value: unknown = null;
  try {
    if (problems.length === 0) value = document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch {
    // Its words may hold what the file holds.
    problems.push(at(firstAlias(document)?.range?.[0] ?? 0, '', TOO_MUCH));
  }
  return {
    value: value ?? {},
    problems,
    interpolated,
    problem: (pointer, message) => at(locate(document, segmentsOf(pointer)).offset, pointer, message),
    has: (pointer) => locate(document, segmentsOf(pointer)).found,
  };
}

function fillIn(
  document: Document,
  environment: Environment,
  interpolated: Set<string>,
  problems: Problem[],
  at: (offset: number, pointer: string, message: string) => Problem,
): void {
  visit(document, {
    Scalar(key, node, path) {
      if (key === 'key' || typeof node.value !== 'string' || !node.value.includes('${')) return;
      const pointer = pointerOf(path, key);
      const offset = node.range?.[0] ?? 0;
      const { text, missing, malformed } = interpolate(node.value, environment);
      for (const name of missing)
        problems.push(
          at(
            offset,
            pointer,
            `needs the environment variable ${name}, which is not set; set it or write \${${name}:-default}`,
          ),
        );
      if (malformed)
        problems.push(
          at(
            offset,
            pointer,
            `has a broken variable; write \${NAME}, \${NAME:-default}, or $\${ for a plain \${`,
          ),
        );
      node.value = text;
      interpolated.add(pointer);
    },
  });
}

function pointerOf(path: readonly unknown[], last: unknown): string {
  const segments: string[] = [];
  for (const [i, node] of path.entries()) {
    const parent = path[i - 1];
    if (isSeq(parent)) segments.push(String(parent.items.indexOf(node)));
    if (typeof node === 'object' && node !== null && 'key' in node && isScalar(node.key))
      segments.push(escapeSegment(String(node.key.value)));
  }
  if (typeof last === 'number' && isSeq(path.at(-1))) segments.push(String(last));
  return segments.map((segment) => `/${segment}`).join('');
}

/** The deepest part of the path that exists, and where it stands: at its key, or at the value in a list. */
function locate(
  document: Document,
  segments: readonly string[],
): { readonly offset: number; readonly found: boolean } {
  let node: unknown = document.contents;
  let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
  for (const segment of segments) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === segment);
      if (pair === undefined) return { offset, found: false };
      if (isNode(pair.key)) offset = pair.key.range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(segment)];
      if (!isNode(node)) return { offset, found: false };
      offset = node.range?.[0] ?? offset;
    } else {
      return { offset, found: false };
    }
  }
  return { offset, found: true };
}

export function segmentsOf(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'));
}

export function escapeSegment(segment: string): string {
  return segment.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** What is never closed is told of at its end; who mends it looks for where it is opened. */
function offsetOf(document: Document, { code, pos: [offset], message }: YAMLError): number {
  const isQuote = code === 'MISSING_CHAR' && message.endsWith('quote');
  const isFlow = code === 'BAD_INDENT' && message.startsWith('Flow');
  if (!isQuote && !isFlow) return offset;
  let opened = offset;
  visit(document, {
    Node(_key, node) {
      const isMeant = isScalar(node)
        ? isQuote && (node.type === 'QUOTE_DOUBLE' || node.type === 'QUOTE_SINGLE')
        : isFlow && 'flow' in node && node.flow === true;
      const { range } = node;
      if (isMeant && range != null && range[0] <= offset && offset <= range[2]) opened = range[0];
    },
  });
  return opened;
}

/** An alias of what is not there, or of what it is a part of. The parser tells of neither, nor of their places. */
function wrongAlias(document: Document): { readonly node: Alias; readonly words: string } | null {
  const anchors = new Set<string>();
  let found: { readonly node: Alias; readonly words: string } | null = null;
  visit(document, {
    Node(_key, node) {
      if ('anchor' in node && typeof node.anchor === 'string') anchors.add(node.anchor);
    },
    Alias(_key, node, path) {
      const isWithin = path.some((each) => isNode(each) && 'anchor' in each && each.anchor === node.source);
      if (!isWithin && anchors.has(node.source)) return undefined;
      found = {
        node,
        words: isWithin
          ? 'is a part of what it stands for: write a text that begins with * in quotes'
          : UNKNOWN_ALIAS,
      };
      return visit.BREAK;
    },
  });
  return found;
}

function firstAlias(document: Document): Alias | null {
  let first: Alias | null = null;
  visit(document, {
    Alias(_key, node) {
      first = node;
      return visit.BREAK;
    },
  });
  return first;
}

/** In `{ password:secret }` the blank is missing, and the secret is a part of the key. */
function withoutSecretInKey(pointer: string): string {
  return pointer.replace(/\/([\w-]*(?:password|token)[^\w/-])[^/]+/gi, '/$1…');
}
