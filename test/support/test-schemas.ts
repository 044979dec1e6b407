/** Reading schemas of the e2e tests' own, so that what ships may change without them. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export type SchemaDocument = Readonly<Record<string, unknown>>;

const DIALECT = 'https://json-schema.org/draft/2020-12/schema';

/** `sensors/{device}/environment` with `ts` in ms, `temperature` (needed), `humidity`, `seq`. */
export const ENVIRONMENT: SchemaDocument = {
  $schema: DIALECT,
  $id: 'environment.v1',
  telemetry: {
    measurement: 'environment',
    topics: ['sensors/{device}/environment'],
    time: { property: 'ts', unit: 'ms' },
  },
  type: 'object',
  required: ['temperature'],
  properties: {
    ts: { type: 'integer' },
    temperature: { type: 'number', minimum: -60, maximum: 125, unit: 'Cel' },
    humidity: { type: 'number', minimum: 0, maximum: 100, unit: '%RH' },
    seq: { type: 'integer' },
  },
};

/** `resent/{device}` with `value`; `boot` and `seq` name a reading, so that it is known when it comes again. */
export const RESENT: SchemaDocument = {
  $id: 'resent.v1',
  telemetry: { measurement: 'resent', topics: ['resent/{device}'], identity: ['boot', 'seq'] },
  type: 'object',
  required: ['boot', 'seq', 'value'],
  properties: { boot: { type: 'integer' }, seq: { type: 'integer' }, value: { type: 'number' } },
};

/** Writes each schema into the folder as `<$id>.json`, atomically as editors do; returns the folder. */
export function writeSchemas(folder: string, ...schemas: readonly SchemaDocument[]): string {
  mkdirSync(folder, { recursive: true });
  for (const schema of schemas) {
    writeSchemaText(folder, String(schema.$id), JSON.stringify({ $schema: DIALECT, ...schema }, null, 2));
  }
  return folder;
}

/** The same with any text, also one that is no schema. */
export function writeSchemaText(folder: string, id: string, text: string): void {
  const draft = join(folder, `.${id}.draft`);
  writeFileSync(draft, text);
  renameSync(draft, join(folder, `${id}.json`));
}

/** A valid ENVIRONMENT reading of a device. Each `seq` has a time of its own, from `startMs` on. */
export function environmentReading(
  device: string,
  seq: number,
  startMs: number,
): { topic: string; payload: string } {
  return {
    topic: `sensors/${device}/environment`,
    payload: `{"ts":${startMs + seq},"temperature":${20 + (seq % 100) / 10},"humidity":45.5,"seq":${seq}}`,
  };
}
