/**
 * Which table and column of DuckDB holds which measurement, tag and field. DuckDB compares names without case and
 * keeps one type a column; line protocol does neither. What a thing is called is kept in `gateway.tables` and
 * `gateway.columns`, so it stays what it was.
 *
 * - A table per measurement, under its name; a tag is VARCHAR, a float DOUBLE, an integer BIGINT, a string VARCHAR, a
 *   boolean BOOLEAN. The column `time` (TIMESTAMP_NS) is always there, and always the first.
 * - An integer column that meets a float becomes DOUBLE (integers beyond 2^53 lose digits then).
 * - A field that comes with a type its column cannot hold gets a column of its own: `temperature_string`,
 *   `temperature_number`, `temperature_boolean`. Nothing is ever refused for its type.
 * - A name that is taken (`Temp` beside `temp`, a field beside a tag, a view of DuckDB's) gets `_tag`, `_2`, …
 * - Beyond `MAX_TABLES` tables, or `MAX_COLUMNS` columns in one, a point goes to the table `overflow` as a whole line.
 */
import type { LinePoint } from '../line-protocol/encode.ts';

/** As many as InfluxDB 3 allows. */
export const MAX_TABLES = 2000;
export const MAX_COLUMNS = 500;
export const OVERFLOW_TABLE = 'overflow';
const MAX_NAME_CHARACTERS = 200;

export type ColumnType = 'VARCHAR' | 'DOUBLE' | 'BIGINT' | 'BOOLEAN';
/** What a column can hold. A tag's column is of the kind `tag`. */
export type ColumnKind = 'tag' | 'string' | 'number' | 'boolean';

export interface Column {
  readonly name: string;
  readonly kind: ColumnKind;
  /** The tag's or field's key. */
  readonly key: string;
  type: ColumnType;
  /** Its place in the table; `time` has 0. */
  readonly place: number;
}

export interface Table {
  readonly measurement: string;
  readonly name: string;
  /** Columns it has, with `time` and with those that somebody else has added. */
  width: number;
  readonly tags: Map<string, Column>;
  readonly fields: Map<string, Partial<Record<ColumnKind, Column>>>;
  readonly taken: Set<string>;
}

/** A table as it was found. */
export interface KnownTable {
  readonly measurement: string;
  readonly name: string;
  /** All of its columns. */
  readonly names: readonly string[];
  /** Those that hold a tag or a field. */
  readonly columns: readonly Column[];
}

/** The kind and type that a field's value asks for. */
const WANTED = {
  float: { kind: 'number', type: 'DOUBLE' },
  integer: { kind: 'number', type: 'BIGINT' },
  string: { kind: 'string', type: 'VARCHAR' },
  boolean: { kind: 'boolean', type: 'BOOLEAN' },
} as const;

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function valuesRow(...texts: readonly string[]): string {
  return `(${texts.map((text) => `'${text.replaceAll("'", "''")}'`).join(', ')})`;
}

function definition({ name, type }: Column): string {
  return `${quoted(name)} ${type}`;
}

export class Catalog {
  private readonly tables = new Map<string, Table>();
  private readonly taken: Set<string>;
  /** What has to be done in the database before the next rows go in. */
  private readonly made = new Set<Table>();
  private readonly added = new Map<Column, Table>();
  private readonly widened = new Map<Column, Table>();

  /** `taken`: names of tables and views that are there. */
  constructor(known: readonly KnownTable[], taken: readonly string[]) {
    this.taken = new Set([OVERFLOW_TABLE, ...taken.map((name) => name.toLowerCase())]);
    for (const { measurement, name, names, columns } of known) {
      const table = this.newTable(measurement, name);
      for (const column of columns) register(table, column);
      for (const each of names) table.taken.add(each.toLowerCase());
      table.width = names.length;
    }
  }

  all(): Iterable<Table> {
    return this.tables.values();
  }

  /** The table that has a column for all of the point, grown where needed; null: there is no more room. */
  tableFor(point: LinePoint): Table | null {
    const table = this.tables.get(point.measurement) ?? this.makeTable(point.measurement);
    if (table === null || !this.hasRoom(table, point)) return null;
    for (const [key] of point.tags) {
      if (!table.tags.has(key)) this.add(table, key, 'tag', 'VARCHAR');
    }
    for (const [key, value] of point.fields) {
      const { kind, type } = WANTED[value.type];
      const column = table.fields.get(key)?.[kind];
      if (column === undefined) this.add(table, key, kind, type);
      else if (column.type === 'BIGINT' && type === 'DOUBLE') {
        column.type = 'DOUBLE';
        if (!this.added.has(column)) this.widened.set(column, table);
      }
    }
    return table;
  }

  /** Statements that bring the database to what `tableFor` promised. To be run in one transaction, then `grown()`. */
  growth(): string[] {
    const inNewTables = new Map<Table, Column[]>([...this.made].map((table) => [table, []]));
    const statements: string[] = [];
    for (const [column, table] of this.added) {
      const together = inNewTables.get(table);
      if (together !== undefined) together.push(column);
      else statements.push(`ALTER TABLE main.${quoted(table.name)} ADD COLUMN ${definition(column)}`);
    }
    for (const [{ name }, columns] of inNewTables) {
      const all = ['time TIMESTAMP_NS', ...columns.map(definition)];
      statements.push(`CREATE TABLE main.${quoted(name)} (${all.join(', ')})`);
    }
    for (const [column, table] of this.widened) {
      statements.push(
        `ALTER TABLE main.${quoted(table.name)} ALTER COLUMN ${quoted(column.name)} SET DATA TYPE DOUBLE`,
      );
    }
    const tables = [...this.made].map(({ measurement, name }) => valuesRow(measurement, name));
    if (tables.length > 0) statements.push(`INSERT INTO gateway.tables VALUES ${tables.join(', ')}`);
    const columns = [...this.added].map(([{ name, kind, key }, table]) =>
      valuesRow(table.name, name, kind, key),
    );
    if (columns.length > 0) statements.push(`INSERT INTO gateway.columns VALUES ${columns.join(', ')}`);
    return statements;
  }

  grown(): void {
    this.made.clear();
    this.added.clear();
    this.widened.clear();
  }

  private hasRoom(table: Table, point: LinePoint): boolean {
    if (table.width + point.tags.length + point.fields.length <= MAX_COLUMNS) return true;
    let missing = 0;
    for (const [key] of point.tags) if (!table.tags.has(key)) missing += 1;
    for (const [key, value] of point.fields) {
      if (table.fields.get(key)?.[WANTED[value.type].kind] === undefined) missing += 1;
    }
    return missing === 0 || table.width + missing <= MAX_COLUMNS;
  }

  private makeTable(measurement: string): Table | null {
    if (this.tables.size >= MAX_TABLES) return null;
    const table = this.newTable(measurement, freeName(measurement, this.taken, []));
    this.made.add(table);
    return table;
  }

  private newTable(measurement: string, name: string): Table {
    const table: Table = {
      measurement,
      name,
      width: 1,
      tags: new Map(),
      fields: new Map(),
      taken: new Set(['time']),
    };
    this.tables.set(measurement, table);
    this.taken.add(name.toLowerCase());
    return table;
  }

  private add(table: Table, key: string, kind: ColumnKind, type: ColumnType): void {
    const name = freeName(key, table.taken, [`_${kind}`]);
    const column = { name, kind, key, type, place: table.width };
    table.width += 1;
    register(table, column);
    this.added.set(column, table);
  }
}

function register(table: Table, column: Column): void {
  table.taken.add(column.name.toLowerCase());
  if (column.kind === 'tag') table.tags.set(column.key, column);
  else table.fields.set(column.key, { ...table.fields.get(column.key), [column.kind]: column });
}

/** The name itself if it is free; else with the first of the suffixes, or a number, that makes it so. */
function freeName(text: string, taken: ReadonlySet<string>, suffixes: readonly string[]): string {
  const name = text.replace(/\p{Cc}/gu, '_').slice(0, MAX_NAME_CHARACTERS) || '_';
  for (const suffix of ['', ...suffixes]) {
    if (!taken.has(`${name}${suffix}`.toLowerCase())) return `${name}${suffix}`;
  }
  for (let number = 2; ; number += 1) {
    if (!taken.has(`${name}_${number}`.toLowerCase())) return `${name}_${number}`;
  }
}
