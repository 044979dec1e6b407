import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeLine } from '../../gateway/line-protocol/decode.ts';
import { loadReadings, loadSchemas } from '../../gateway/readings/load-schemas.ts';
import { inText, interpret } from './under-test.ts';

const FOLDER = 'schemas/readings';
const { schemas, problems } = loadSchemas(FOLDER);

describe('the schemas that ship', () => {
  it('are right, alone and together', () => {
    expect(problems).toEqual([]);
    expect(schemas.map(({ id }) => id)).toEqual([
      'air-quality.v1',
      'device-status.v1',
      'environment.v1',
      'gps-position.v1',
      'machine-vibration.v1',
      'power-meter.v1',
      'soil.v1',
      'water-flow.v1',
    ]);
  });

  it.each(schemas.map((schema) => [schema.id, schema] as const))(
    '%s: is named for its file, explains itself, and stores its examples',
    (id, { file, text, plan }) => {
      const { readings } = loadReadings(FOLDER);
      const document: { title?: string; description?: string; examples?: unknown[] } = JSON.parse(text);
      expect(file).toBe(`${id}.json`);
      expect(document.title).toBeTruthy();
      expect(document.description).toBeTruthy();
      expect(document.examples?.length).toBeGreaterThan(1);
      for (const pattern of plan.patterns) {
        const topic = pattern.text.replaceAll(/\{\w+\}/g, 'x1');
        expect(readings.route(topic)?.schemas).toEqual([id]);
        for (const example of document.examples ?? []) {
          const [reading] = interpret(readings, topic, example);
          if (reading?.kind !== 'point') throw new Error(reading === undefined ? 'nothing' : inText(reading));
          expect(decodeLine(reading.line).measurement).toBe(plan.measurement);
        }
      }
    },
  );

  it('have an editor complete the telemetry section: each points at the vocabulary that lies there', () => {
    const vocabulary: { $id?: string } = JSON.parse(
      readFileSync('schemas/telemetry-vocabulary.schema.json', 'utf8'),
    );
    expect(vocabulary.$id).toBe('telemetry-vocabulary');
    for (const { text } of schemas) {
      const { $schema }: { $schema?: string } = JSON.parse(text);
      expect($schema).toBe('../telemetry-vocabulary.schema.json');
    }
  });

  it('name what they check and do not store, and which tags a reading may leave out', () => {
    expect(loadReadings(FOLDER).notes).toMatchObject([
      {
        file: 'power-meter.v1.json',
        pointer: '/telemetry/tags/1',
        message: expect.stringContaining('"phase"'),
      },
      { file: 'soil.v1.json', pointer: '/telemetry/tags/1', message: expect.stringContaining('"depth_cm"') },
      { file: 'machine-vibration.v1.json', pointer: '/properties/spectrum' },
    ]);
  });
});
