import { setImmediate as yieldToOthers } from 'node:timers/promises';
import type { Clock } from '../contracts.ts';
import { messageOf, type Problem, problemText } from '../errors.ts';
import { watchFolder } from '../folder-watch.ts';
import type { Events } from '../monitoring/events.ts';
import { type CompiledReadings, compileReadings } from './compile-readings.ts';
import { isSchemaFile, largestConsistent, readSchemaFile, schemaFiles } from './load-schemas.ts';
import { ANY_FORMAT, type FormatProblem, type MappingDeps, NO_BOOK, NO_CLOCKS } from './mapping-deps.ts';
import { compileReadingSchema, type ReadingSchema } from './reading-schema.ts';
import { consistencyProblems } from './schema-consistency.ts';
import { createSchemaHistory, type Documents } from './schema-history.ts';
import { senderProblems, shareProblems } from './sender-unknown.ts';
import { TickCounter } from './tick-counter.ts';

/** Left out: every format is taken at its word, no clock is known, no device has settings. */
export interface LiveReadingsOptions extends Partial<MappingDeps> {
  readonly dir: string;
  readonly documents: Documents;
  readonly events: Events;
  readonly clock: Clock;
  readonly formatProblem?: FormatProblem;
  /** Readings come from other brokers too: schemas that want to know their sender are told of. */
  readonly fromBrokers?: boolean;
  /** As in `LoadOptions`; each is a warning. */
  readonly sharesAlone?: boolean;
  readonly settleMs?: number;
  readonly pollMs?: number;
}

/** The schemas of a folder, always as good as they have been. */
export interface LiveReadings extends CompiledReadings {
  /** Reads the folder again, now. Never rejects. */
  reload(): Promise<void>;
  /** What is wrong with the files as they are; the readings go on under what was good. */
  problems(): readonly Problem[];
  /** The text of a version that is or was in force; null where it is not known, any more or at all. */
  schemaText(version: string): string | null;
  close(): void;
}

interface SeenFile {
  readonly text: string;
  readonly schema: ReadingSchema | null;
  readonly problems: readonly Problem[];
}

const SETTLE_MS = 150;
const POLL_MS = 5000;

/**
 * Follows a folder of schema files while readings flow. A file that turns bad is told, and its last good version stays
 * in force; so does the whole set where files that are good alone do not go together. The last good versions are kept as
 * documents, so a restart changes nothing of that. The step from one set to the next is one assignment: every reading
 * is under the old set or under the new one.
 */
export async function createLiveReadings(options: LiveReadingsOptions): Promise<LiveReadings> {
  const { dir, documents, events, clock } = options;
  const {
    ticks = new TickCounter({ startedMs: clock.nowMs() }),
    clocks = NO_CLOCKS,
    book = NO_BOOK,
    formatProblem = ANY_FORMAT,
  } = options;
  const deps: MappingDeps = { ticks, clocks, book };
  const history = createSchemaHistory(documents);
  let seen: ReadonlyMap<string, SeenFile> = new Map();
  /** By file. Null until the first set is in force. */
  let inForce: ReadonlyMap<string, ReadingSchema> | null = null;
  let current: CompiledReadings = compileReadings([], deps);
  let problems: readonly Problem[] = [];
  let loading: Promise<void> = Promise.resolve();

  const load = async (): Promise<void> => {
    const trouble = (message: string): void =>
      tell([{ file: dir, line: 1, column: 1, pointer: '', message }]);
    let names: string[];
    try {
      names = schemaFiles(dir);
    } catch (error) {
      trouble(messageOf(error));
      return;
    }
    // An empty folder is a mount that was lost more often than a wish, and would let every reading go by unstored.
    if (names.length === 0 && inForce !== null && inForce.size > 0) {
      trouble('holds no schema file any more; to have none, restart with it empty');
      return;
    }
    seen = await look(names);
    const found = [...seen.values()].flatMap((file) => file.problems);
    const candidates = new Map<string, ReadingSchema>();
    for (const [name, { schema }] of seen) {
      const good = schema ?? inForce?.get(name) ?? kept(name);
      if (good !== null) candidates.set(name, good);
    }
    const together = consistencyProblems([...candidates.values()]);
    if (together.length === 0) await enforce(candidates);
    else if (inForce === null) await enforceSomehow(names, [...candidates.values()]);
    tell([...found, ...together]);
  };

  /** Compiles what has changed, one at a time: others must not wait for all of it. */
  const look = async (names: readonly string[]): Promise<Map<string, SeenFile>> => {
    const files = new Map<string, SeenFile>();
    for (const name of names) {
      const text = readSchemaFile(dir, name);
      const known = seen.get(name);
      if (typeof text !== 'string') files.set(name, { text: '', schema: null, problems: [text] });
      else if (known !== undefined && known.text === text) files.set(name, known);
      else {
        files.set(name, { text, ...compileReadingSchema(name, text, formatProblem) });
        await yieldToOthers();
      }
    }
    return files;
  };

  const kept = (name: string): ReadingSchema | null => {
    const text = documents.get(documentOf(name));
    return text === null || text === '' ? null : compileReadingSchema(name, text, formatProblem).schema;
  };

  /** The first set, and it does not go together: what was good before the restart, or as many as do. */
  const enforceSomehow = async (
    names: readonly string[],
    candidates: readonly ReadingSchema[],
  ): Promise<void> => {
    const before = names.map(kept).filter((schema) => schema !== null);
    const set = before.length > 0 ? before : candidates;
    await enforce(new Map(largestConsistent(set).kept.map((schema) => [schema.file, schema])));
  };

  const enforce = async (next: ReadonlyMap<string, ReadingSchema>): Promise<void> => {
    const previous = inForce ?? new Map<string, ReadingSchema>();
    const isFirst = inForce === null;
    const changed = [...next.values()].filter(({ file, text }) => previous.get(file)?.text !== text);
    const removed = [...previous.values()].filter(({ file }) => !next.has(file));
    inForce = next;
    if (!isFirst && changed.length === 0 && removed.length === 0) return;
    current = compileReadings([...next.values()], deps);
    if (!isFirst) {
      for (const { id, file } of changed) events.emit('schema.changed', { id, file });
      for (const { id, file } of removed) events.emit('schema.removed', { id, file });
    }
    if (options.fromBrokers === true) {
      for (const problem of senderProblems(changed))
        events.emit('schema.sender-unknown', { problem: problemText(problem) });
    }
    if (options.sharesAlone === true) {
      for (const problem of shareProblems(changed))
        events.emit('schema.shared-alone', { problem: problemText(problem) });
    }
    const texts = [
      ...changed.map(({ file, text }) => ({ file, text })),
      ...removed.map(({ file }) => ({ file, text: '' })),
    ];
    await Promise.all(texts.map(({ file, text }) => keep(file, text)));
    await keepVersions([...next.values()]);
  };

  const keep = async (file: string, text: string): Promise<void> => {
    try {
      if ((documents.get(documentOf(file)) ?? '') !== text) await documents.set(documentOf(file), text);
    } catch (error) {
      events.emit('schema.not-kept', { file, error: messageOf(error) });
    }
  };

  const keepVersions = async (schemas: readonly ReadingSchema[]): Promise<void> => {
    try {
      await history.keep(schemas);
    } catch (error) {
      events.emit('schema.not-kept', { file: dir, error: messageOf(error) });
    }
  };

  const consequenceOf = ({ file }: Problem): string => {
    if (file === dir && inForce !== null) return 'the schemas that were in it stay in force';
    return inForce?.has(file) === true ? 'its last good version stays in force' : 'it is not in force';
  };

  const tell = (next: readonly Problem[]): void => {
    const known = new Set(problems.map(problemText));
    for (const problem of next) {
      const words = problemText(problem);
      if (known.has(words)) continue;
      const consequence = consequenceOf(problem);
      events.emit('schema.problem', { problem: words, consequence });
    }
    if (problems.length > 0 && next.length === 0) events.emit('schema.mended');
    problems = next;
  };

  const reload = (): Promise<void> => {
    loading = loading.then(load).catch((error: unknown) => {
      events.emit('hook.failed', { hook: 'schema reload', error: messageOf(error) });
    });
    return loading;
  };

  await reload();
  const unwatch = watchFolder({
    dir,
    clock,
    accepts: isSchemaFile,
    settleMs: options.settleMs ?? SETTLE_MS,
    pollMs: options.pollMs ?? POLL_MS,
    changed: reload,
  });

  return {
    route: (topic) => current.route(topic),
    describe: () => current.describe(),
    nearest: (topic) => current.nearest(topic),
    versionOf: (id) => current.versionOf(id),
    currentText: (id) => current.currentText(id),
    expectEveryMs: (id) => current.expectEveryMs(id),
    settingsProblems: (settings) => current.settingsProblems(settings),
    schemaText: (version) =>
      [...(inForce?.values() ?? [])].find((schema) => schema.version === version)?.text ??
      history.textOf(version),
    problems: () => problems,
    reload,
    close: unwatch,
  };
}

function documentOf(file: string): string {
  return `schema/${file}`;
}
