import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const MAX_LINES = 400;

/** Stages: each may import itself, the leaves and packages, and nothing else of the gateway. */
const STAGES = [
  'sources',
  'formats',
  'readings',
  'ledgers',
  'store',
  'sinks',
  'api',
  'control',
  'config',
  'monitoring',
  'forwards',
];
/** What everything may import. */
const LEAVES = [
  'gateway/contracts.ts',
  'gateway/store-contract.ts',
  'gateway/ledger-contract.ts',
  'gateway/sink-contract.ts',
  'gateway/operations-contract.ts',
  'gateway/rejected-contract.ts',
  'gateway/errors.ts',
  'gateway/monitoring/events.ts',
  'gateway/printable.ts',
  'gateway/yaml-words.ts',
  'gateway/edit-distance.ts',
  'gateway/canonical-spec.ts',
  'gateway/package-root.ts',
  'gateway/folder-watch.ts',
  'gateway/make-folders.ts',
  'gateway/peer-hello.ts',
  'gateway/peer-parcel.ts',
];
const LEAF_FOLDERS = ['gateway/line-protocol', 'gateway/broker-link'];
/** Wiring: may import every stage. */
const WIRING_FOLDERS = ['gateway/commands'];

interface Import {
  readonly from: string;
  readonly to: string;
}

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(/(?:from\s+|import\s*\(\s*|import\s+)'(\.[^']+)'/g)].map(([, specifier = '']) => ({
    from: file,
    to: relative(root, resolve(root, dirname(file), specifier))
      .split(sep)
      .join('/'),
  }));
}

const gatewayFiles = sources('gateway');
const simFiles = sources('device-sim');
const files = [...gatewayFiles, ...simFiles];
const imports = files.flatMap(importsOf);

function stageOf(file: string): string | null {
  const [top, folder, ...rest] = file.split('/');
  return top === 'gateway' && rest.length > 0 && folder !== undefined && STAGES.includes(folder)
    ? folder
    : null;
}

function isLeaf(file: string): boolean {
  return LEAVES.includes(file) || LEAF_FOLDERS.some((folder) => file.startsWith(`${folder}/`));
}

describe('the architecture', () => {
  it('has stages that know nothing of one another', () => {
    const wrong = imports.filter(({ from, to }) => {
      const stage = stageOf(from);
      return stage !== null && !isLeaf(to) && stageOf(to) !== stage;
    });
    expect(wrong).toEqual([]);
  });

  it('has leaves that import nothing but leaves', () => {
    expect(imports.filter(({ from, to }) => isLeaf(from) && !isLeaf(to))).toEqual([]);
  });

  it('has contracts that import nothing at all', () => {
    expect(readFileSync(join(root, 'gateway/contracts.ts'), 'utf8')).not.toMatch(/^import /m);
  });

  it('keeps the commands at the edge: only main.ts starts from them', () => {
    const wrong = imports.filter(
      ({ from, to }) =>
        WIRING_FOLDERS.some((folder) => to.startsWith(`${folder}/`)) &&
        !WIRING_FOLDERS.some((folder) => from.startsWith(`${folder}/`)) &&
        from !== 'gateway/main.ts',
    );
    expect(wrong).toEqual([]);
  });

  it('keeps the simulator apart from the gateway it judges', () => {
    const wrong = imports.filter(
      ({ from, to }) => from.startsWith('device-sim/') !== to.startsWith('device-sim/') && !isLeaf(to),
    );
    expect(wrong).toEqual([]);
  });

  it('has no import cycles', () => {
    const edges = new Map<string, string[]>();
    for (const { from, to } of imports) edges.set(from, [...(edges.get(from) ?? []), to]);
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) {
        cycles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
        return;
      }
      if (done.has(file)) return;
      for (const next of edges.get(file) ?? []) visit(next, [...path, file]);
      done.add(file);
    };
    for (const file of files) visit(file, []);
    expect(cycles).toEqual([]);
  });

  it('imports only files that exist', () => {
    expect(imports.filter(({ to }) => !files.includes(to))).toEqual([]);
  });

  it(`has no file over ${MAX_LINES} lines`, () => {
    const long = files
      .map((file) => ({ file, lines: readFileSync(join(root, file), 'utf8').split('\n').length - 1 }))
      .filter(({ lines }) => lines > MAX_LINES);
    expect(long).toEqual([]);
  });

  it('touches the process in main.ts only', () => {
    const wrong = files.filter(
      (file) =>
        !file.endsWith('/main.ts') && /(?<![\w.'-])process\.(?!\w*\w*Warning)/.test(withoutComments(file)),
    );
    expect(wrong).toEqual([]);
  });

  it('has no catch-all modules, barrels or default exports', () => {
    expect(files.filter((file) => /(^|\/)(utils?|helpers?|common|misc|index)\.ts$/.test(file))).toEqual([]);
    expect(files.filter((file) => /^export default /m.test(readFileSync(join(root, file), 'utf8')))).toEqual(
      [],
    );
  });
});

function withoutComments(file: string): string {
  return readFileSync(join(root, file), 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\/\/.*$/gm, '');
}
