import type { Clock, FieldType, Point, SchemaField } from '../contracts.ts';
import type { Judgement } from '../ledger-contract.ts';
import type { Events } from '../monitoring/events.ts';
import type { FieldReport } from '../operations-contract.ts';
import type { Group, Store } from '../store-contract.ts';
import {
  DATABASE_PREFIX,
  DatabaseFieldTypes,
  type DatabaseTypes,
  decodeDatabaseTypes,
  encodeDatabaseTypes,
} from './field-types-databases.ts';
import {
  MeasurementTypes,
  type OwnField,
  parseTypesDocumentName,
  TYPES_PREFIX,
  type Verdict,
} from './field-types-measurement.ts';
import { type ConflictingField, carried, type WantedField, wanted } from './field-types-verdict.ts';
import { type TypeConflict, typeViolation } from './field-types-words.ts';
import type { GroupsUnderWay } from './groups-under-way.ts';
import type { KnownSeries } from './series-known.ts';

export interface FieldTypeLimits {
  readonly maxMeasurements: number;
  readonly maxFieldsPerMeasurement: number;
  /** Over all measurements; some 300 bytes each. */
  readonly maxFields: number;
}

export const DEFAULT_FIELD_TYPE_LIMITS: FieldTypeLimits = {
  maxMeasurements: 2_000,
  maxFieldsPerMeasurement: 1_000,
  maxFields: 50_000,
};

export interface FieldTypesDeps {
  readonly groups: GroupsUnderWay;
  readonly documents: Pick<Store, 'document' | 'documents' | 'setDocuments'>;
  readonly clock: Clock;
  readonly events: Events;
  /** Names of the sinks in use: what others held once no longer counts. */
  readonly sinks: ReadonlySet<string>;
}

/** The longest name that is tracked; a longer one is not checked. */
const MAX_FIELD_NAME = 1024;

/** A store takes 512 notes with a group, and series are noted as well. */
const NOTES_A_GROUP = 200;

interface UnderWay {
  /** The count of fields taken back when it was first noted in: a note may hold some that have gone since. */
  readonly takenBack: number;
  readonly noted: Set<string>;
  /** There was no room for a note: it is written when the group is on disk. */
  lacks: boolean;
  readonly fields: (readonly [MeasurementTypes, OwnField])[];
}

/**
 * The ledger of field types: a database takes a field with one type only and refuses the rest, often with the whole
 * batch. So the first type that is stored is the type, and a reading that carries the field with another is told
 * `type-conflict` before it is written. Only readings that really carry the field: a schema may declare what nobody sends.
 *
 * What a database itself says counts for more than what this gateway has stored, since it is the one that refuses. Where
 * it holds a field with several types (the shards of InfluxDB 1 may differ), the one that this gateway stores stays the
 * type if it is among them; without one, the first of them that comes is. Where several sinks hold a field differently,
 * a reading that one of them takes is taken; the others refuse its line alone.
 *
 * Bounded by `FieldTypeLimits`; what is beyond is not checked, counted, and told once.
 *
 * Persisted with the group that first stores a field, as `types/<block>/<measurement>`. When that group fails the field is
 * forgotten, unless another group carries it too.
 */
export class FieldTypes {
  readonly #deps: FieldTypesDeps;
  readonly #limits: FieldTypeLimits;
  readonly #measurements = new Map<string, MeasurementTypes>();
  readonly #databases = new DatabaseFieldTypes();
  readonly #learnedMs = new Map<string, number>();
  /** By group: the fields it carries that are not on disk yet. */
  readonly #underWay = new Map<number, UnderWay>();
  #fields = 0;
  #takenBack = 0;

  constructor(deps: FieldTypesDeps, limits: FieldTypeLimits = DEFAULT_FIELD_TYPE_LIMITS) {
    this.#deps = deps;
    this.#limits = limits;
    deps.groups.whenEnded((group, committed) => this.#ended(group, committed));
    this.#load();
  }

  /** Null: no field of this reading is in conflict. */
  judge({ line, series }: Point, known: KnownSeries): Judgement | null {
    const types = this.#typesOf(series.measurement, known);
    if (types === null && this.#databases.isEmpty) return null;
    const { conflicts } = this.#verdict(
      types ?? new MeasurementTypes(series.measurement, false),
      series.fields,
      known,
    );
    if (conflicts.length === 0) return null;
    return carried(conflicts, line, series.key.length)[0]?.judgement ?? null;
  }

  keep(point: Point, known: KnownSeries, group: Group): void {
    const { line, series } = point;
    const types = this.#typesOf(series.measurement, known) ?? this.#claim(series.measurement);
    if (types === null) return;
    const { missing } = this.#verdict(types, series.fields, known);
    if (missing.length === 0) return;
    const present = carried(missing, line, series.key.length);
    if (present.length === 0) return;
    const number = this.#deps.groups.enter(group);
    const blocks = new Set<number>();
    for (const { name, type } of present) {
      const own = types.fields.get(name) ?? this.#add(types, name, type, point);
      if (own === null || own.carriers === null || own.carriers.has(number)) continue;
      own.carriers.add(number);
      blocks.add(own.block);
      this.#enter(number).fields.push([types, own]);
    }
    for (const block of blocks) this.#note(types, block, this.#enter(number), group);
  }

  /**
   * What the database of a sink says of its fields. Kept for a start at which it does not answer.
   */
  learn(sink: string, types: DatabaseTypes): void {
    const { clock, documents } = this.#deps;
    this.#databases.set(sink, types);
    this.#learnedMs.set(sink, clock.nowMs());
    this.#tellDifferences(sink, types);
    const text = encodeDatabaseTypes(types, (measurement) => this.#measurements.has(measurement));
    const name = DATABASE_PREFIX + sink;
    if (text !== null && text !== documents.document(name)) this.#write(new Map([[name, text]]));
  }

  /**
   * For when an operator has changed the database: the next reading decides on the type again. True where the field was
   * known.
   */
  async forgetField(measurement: string, field: string): Promise<boolean> {
    const changes = new Map<string, string | null>();
    const types = this.#measurements.get(measurement);
    const own = types?.fields.get(field);
    if (types !== undefined && own !== undefined) {
      this.#drop(types, own);
      changes.set(types.documentName(own.block), types.encodeBlock(own.block));
    }
    for (const sink of this.#databases.forget(measurement, field)) {
      const rest = this.#databases.of(sink) ?? new Map();
      changes.set(
        DATABASE_PREFIX + sink,
        encodeDatabaseTypes(rest, (name) => this.#measurements.has(name)),
      );
    }
    if (changes.size === 0) return false;
    await this.#deps.documents.setDocuments(changes);
    return true;
  }

  /** Each field that is known of the measurements stored here, by their names. */
  report(): FieldReport[] {
    const rows: FieldReport[] = [];
    for (const { name: measurement, fields } of this.#measurements.values()) {
      for (const { name: field, type, sinceMs, device, schema } of fields.values()) {
        const held = this.#databases.holding(measurement, field);
        if (held === null || held.types.includes(type))
          rows.push({ measurement, field, type, firstSeenMs: sinceMs, device, schema, origin: 'schema' });
        else rows.push(this.#databaseRow(measurement, field, held));
      }
      for (const field of this.#databases.fieldsOf(measurement)) {
        const held = fields.has(field) ? null : this.#databases.holding(measurement, field);
        if (held !== null) rows.push(this.#databaseRow(measurement, field, held));
      }
    }
    return rows.sort((a, b) => compare(a.measurement, b.measurement) || compare(a.field, b.field));
  }

  #databaseRow(
    measurement: string,
    field: string,
    { types, sinks }: { readonly types: readonly FieldType[]; readonly sinks: readonly string[] },
  ): FieldReport {
    const [type = 'float'] = types;
    const [sink = ''] = sinks;
    const firstSeenMs = this.#learnedMs.get(sink) ?? 0;
    return { measurement, field, type, firstSeenMs, device: null, schema: null, origin: `database:${sink}` };
  }

  /** Null: nothing of this measurement was stored yet. */
  #typesOf(measurement: string, { verdict }: KnownSeries): MeasurementTypes | null {
    return verdict?.types.isKept === true ? verdict.types : (this.#measurements.get(measurement) ?? null);
  }

  /** The cached one, where nothing has changed since. That of a measurement that may never be stored is not kept. */
  #verdict(types: MeasurementTypes, fields: readonly SchemaField[], known: KnownSeries): Verdict {
    let { verdict } = known;
    if (verdict === null || verdict.types !== types) {
      verdict = verdictOf(types, fields);
      if (types.isKept) known.verdict = verdict;
    }
    if (verdict.version !== types.version || verdict.learned !== this.#databases.version)
      this.#refresh(verdict);
    return verdict;
  }

  #refresh(verdict: Verdict): void {
    const { types, fields } = verdict;
    const conflicts: ConflictingField[] = [];
    const missing: WantedField[] = [];
    for (const field of fields) {
      if (field.name.length > MAX_FIELD_NAME) continue;
      const conflict = this.#conflict(types, field);
      const own = types.fields.get(field.name);
      if (conflict !== null) {
        const violations = Object.freeze([Object.freeze(typeViolation(conflict))]);
        conflicts.push({ ...wanted(field), judgement: { kind: 'bad', code: 'type-conflict', violations } });
      } else if (own === undefined ? !types.isFull : own.carriers !== null) missing.push(wanted(field));
    }
    verdict.conflicts = conflicts;
    verdict.missing = missing;
    verdict.version = types.version;
    verdict.learned = this.#databases.version;
  }

  #conflict(
    { name: measurement, fields }: MeasurementTypes,
    { name, type }: SchemaField,
  ): TypeConflict | null {
    const first = fields.get(name) ?? null;
    const held = this.#databases.holding(measurement, name);
    if (held === null || (first !== null && held.types.includes(first.type))) {
      if (first === null || first.type === type) return null;
      return { measurement, field: name, type, held: [first.type], sinks: [], first };
    }
    return held.types.includes(type)
      ? null
      : { measurement, field: name, type, held: held.types, sinks: held.sinks, first };
  }

  #enter(group: number): UnderWay {
    let underWay = this.#underWay.get(group);
    if (underWay === undefined) {
      underWay = { takenBack: this.#takenBack, noted: new Set(), lacks: false, fields: [] };
      this.#underWay.set(group, underWay);
    }
    return underWay;
  }

  #note(types: MeasurementTypes, block: number, underWay: UnderWay, group: Group): void {
    const name = types.documentName(block);
    if (underWay.noted.size >= NOTES_A_GROUP && !underWay.noted.has(name)) {
      underWay.lacks = true;
      return;
    }
    underWay.noted.add(name);
    group.note(name, types.encodeBlock(block) ?? '[]');
  }

  /** The measurement, taken into the ledger if there is room. */
  #claim(measurement: string): MeasurementTypes | null {
    const types = this.#measurements.get(measurement);
    if (types !== undefined) return types;
    if (this.#measurements.size >= this.#limits.maxMeasurements) {
      this.#tooMany();
      return null;
    }
    const made = new MeasurementTypes(measurement, true);
    this.#measurements.set(measurement, made);
    return made;
  }

  #add(types: MeasurementTypes, name: string, type: FieldType, { device, schema }: Point): OwnField | null {
    const { maxFields, maxFieldsPerMeasurement } = this.#limits;
    if (this.#fields >= maxFields || types.fields.size >= maxFieldsPerMeasurement) {
      types.isFull = true;
      types.version += 1;
      this.#tooMany();
      return null;
    }
    this.#fields += 1;
    const own = types.add({ name, type, sinceMs: this.#deps.clock.nowMs(), device, schema });
    own.carriers = new Set();
    return own;
  }

  #drop(types: MeasurementTypes, own: OwnField): void {
    if (types.fields.get(own.name) !== own) return;
    types.fields.delete(own.name);
    this.#takenBack += 1;
    types.version += 1;
    types.isFull = false;
    this.#fields -= 1;
    if (types.fields.size > 0) return;
    this.#measurements.delete(types.name);
    types.isKept = false;
  }

  #tooMany(): void {
    const { maxMeasurements, maxFields } = this.#limits;
    this.#deps.events.emit('types.too-many', { maxMeasurements, maxFields });
  }

  #ended(group: number, committed: boolean): void {
    const ended = this.#underWay.get(group);
    if (ended === undefined) return;
    this.#underWay.delete(group);
    const stale = new Map<string, readonly [MeasurementTypes, number]>();
    for (const [types, own] of ended.fields) {
      if (committed) own.carriers = null;
      else own.carriers?.delete(group);
      types.version += 1;
      if (!committed && own.carriers?.size === 0) this.#drop(types, own);
      stale.set(types.documentName(own.block), [types, own.block]);
    }
    // What this group noted, or a later one has noted since, may hold fields that never came to be.
    if (committed && !ended.lacks && ended.takenBack === this.#takenBack) return;
    const textOf = (measurement: string, block: number): string | null =>
      this.#measurements.get(measurement)?.encodeBlock(block) ?? null;
    this.#write(new Map([...stale].map(([name, [{ name: of }, block]]) => [name, textOf(of, block)])));
  }

  #write(changes: ReadonlyMap<string, string | null>): void {
    const { documents, events } = this.#deps;
    documents.setDocuments(changes).catch((error: unknown) => {
      events.emit('ledgers.not-kept', { what: 'field types', error: String(error) });
    });
  }

  #tellDifferences(sink: string, types: DatabaseTypes): void {
    for (const [measurement, fields] of types) {
      const own = this.#measurements.get(measurement);
      if (own === undefined) continue;
      for (const [field, held] of fields) {
        const type = own.fields.get(field)?.type;
        if (type === undefined || held.length === 0 || held.includes(type)) continue;
        const { events } = this.#deps;
        events.emit('types.differ', { sink, measurement, field, type, held: held.join(' and ') });
      }
    }
  }

  #load(): void {
    const { documents, sinks } = this.#deps;
    for (const [name, text] of documents.documents(TYPES_PREFIX)) {
      const parsed = parseTypesDocumentName(name);
      const types = parsed === null ? null : this.#claim(parsed.measurement);
      if (parsed === null || types === null) continue;
      const before = types.fields.size;
      types.decodeBlock(parsed.block, text);
      this.#fields += types.fields.size - before;
    }
    const gone = new Map<string, null>();
    for (const [name, text] of documents.documents(DATABASE_PREFIX)) {
      const sink = name.slice(DATABASE_PREFIX.length);
      const types = sinks.has(sink) ? decodeDatabaseTypes(text) : null;
      if (types === null) gone.set(name, null);
      else this.#databases.set(sink, types);
    }
    if (gone.size > 0) this.#write(gone);
  }
}

function verdictOf(types: MeasurementTypes, fields: readonly SchemaField[]): Verdict {
  let verdict = types.verdicts.get(fields);
  if (verdict === undefined) {
    verdict = { types, fields, version: -1, learned: -1, conflicts: [], missing: [] };
    types.verdicts.set(fields, verdict);
  }
  return verdict;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
