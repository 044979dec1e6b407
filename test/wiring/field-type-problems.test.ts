import { describe, expect, test } from 'vitest';
import { checkFieldTypes, checkObservers } from '../../gateway/commands/checks.ts';
import type { CommandParts } from '../../gateway/commands/command-parts.ts';
import { realParts } from '../../gateway/commands/real-parts.ts';
import { parseConfig } from '../../gateway/config/load-config.ts';
import type { FieldType } from '../../gateway/contracts.ts';
import { problemText } from '../../gateway/errors.ts';
import { compileSchemas } from '../../gateway/readings/load-schemas.ts';
import { fieldTypeProblems } from '../../gateway/wiring/field-type-problems.ts';

const SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: 'air.v1',
  title: 'Air',
  telemetry: { measurement: 'air', topics: ['air/{device}'], time: { property: 'ts', unit: 'ms' } },
  type: 'object',
  properties: {
    ts: { type: 'integer' },
    temperature: { type: 'number' },
    count: { type: 'integer', field: 'n' },
    inside: { type: 'object', properties: { label: { type: 'string' } } },
  },
};

function problems(schema: object, held: Record<string, Record<string, FieldType[]>>): string[] {
  const text = JSON.stringify(schema, null, 2);
  const { schemas, problems: wrong } = compileSchemas(new Map([['air.json', text]]));
  expect(wrong).toEqual([]);
  const types = new Map(
    Object.entries(held).map(([name, fields]) => [name, new Map(Object.entries(fields))] as const),
  );
  return fieldTypeProblems(schemas, types).map(problemText);
}

describe('what a database would refuse', () => {
  test('is told at the property, with what is held, what would come and the remedy', () => {
    const told = problems(SCHEMA, {
      air: { temperature: ['integer'], n: ['float'], inside_label: ['boolean'], other: ['string'] },
      elsewhere: { temperature: ['string'] },
    });
    expect(told).toEqual([
      expect.stringMatching(
        /^air\.json:\d+:\d+ \/properties\/temperature would be refused by the database: it holds "temperature" of air as integer, this is float; declare it as "type": "integer", or store it under another name by "field"$/,
      ),
      expect.stringMatching(/^air\.json:\d+:\d+ \/properties\/count .*"n" of air as float, this is integer/),
      expect.stringMatching(/properties\/label .*"inside_label" of air as boolean, this is string/),
    ]);
  });

  test('is nothing where the types are the same, one of several, or not known', () => {
    expect(problems(SCHEMA, {})).toEqual([]);
    expect(problems(SCHEMA, { air: {} })).toEqual([]);
    expect(problems(SCHEMA, { air: { temperature: ['float'], n: ['float', 'integer'] } })).toEqual([]);
  });

  test('is not told of a measurement that only a topic names', () => {
    const telemetry = { ...SCHEMA.telemetry, measurement: '{kind}', topics: ['air/{kind}/{device}'] };
    expect(problems({ ...SCHEMA, telemetry }, { '{kind}': { temperature: ['string'] } })).toEqual([]);
  });
});

function configOf(text: string): ReturnType<typeof parseConfig> {
  return parseConfig(text, { file: 'gateway.yaml', cwd: '/nowhere', environment: {} });
}

describe('check', () => {
  const config = configOf(
    'sinks: [{ type: influxdb, url: "http://x", version: 1, database: d, name: i }, { type: embedded }]',
  );
  const [influx, embedded] = config.sinks;
  const answering = (answer: CommandParts['fieldTypeProblems']): CommandParts => ({
    ...realParts,
    fieldTypeProblems: answer,
  });

  test('fails where the database would refuse a field, and says so where it cannot tell', async () => {
    if (influx === undefined || embedded === undefined) throw new Error('unreachable');
    const problem = { file: 'a.json', line: 3, column: 5, pointer: '/properties/t', message: 'x' };
    const told = await checkFieldTypes(
      influx,
      config,
      answering(async () => [problem]),
    );
    expect(told).toMatchObject({ name: 'field types i', ok: false, problems: [problem] });
    for (const none of [[], null]) {
      const check = await checkFieldTypes(
        influx,
        config,
        answering(async () => none),
      );
      expect(check).toMatchObject({ ok: true, problems: [] });
    }
    const failing = answering(async () => Promise.reject(new Error('the folder cannot be read')));
    expect(await checkFieldTypes(influx, config, failing)).toMatchObject({
      ok: false,
      detail: 'the folder cannot be read',
    });
    expect(await checkFieldTypes(embedded, config, failing)).toBeNull();
  });

  test('says who may read the receipts of everybody, and where that is anybody', () => {
    expect(checkObservers(configOf('data: ./d'))).toBeNull();
    const here = checkObservers(configOf('mqtt: { observers: [board] }'));
    expect(here).toMatchObject({ ok: true, detail: 'board may read the receipts of every client' });
    const open = checkObservers(
      configOf('mqtt: { observers: [a, b], listeners: [{ host: 0.0.0.0, port: 1, anonymous: true }, {}] }'),
    );
    expect(open).toMatchObject({ ok: true });
    expect(open?.detail).toMatch(/^a, b may .*nobody is asked for a password on 0\.0\.0\.0:1, so whoever/);
  });
});
