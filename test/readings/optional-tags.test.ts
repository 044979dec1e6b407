import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compileSchemas, loadReadings } from '../../gateway/readings/load-schemas.ts';
import { optionalTags } from '../../gateway/readings/optional-tags.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { schema } from './under-test.ts';

const text = { type: 'string' };
const properties = {
  site: text,
  place: { type: 'object', properties: { room: text } },
  v: { type: 'number' },
};

function told(changes: Parameters<typeof schema>[0]): readonly string[] {
  const { schemas, problems } = compileSchemas(
    new Map([['a.json', JSON.stringify(schema({ properties, ...changes }), null, 2)]]),
  );
  expect(problems).toEqual([]);
  return optionalTags(schemas).map(({ pointer, message }) => `${pointer} ${message}`);
}

const WORDS = 'is not required: a reading without it is stored without this tag, as another series';

describe('a tag that a reading may leave out', () => {
  it('is told of where the schema lists it', () => {
    expect(told({ telemetry: { tags: ['site'] } })).toEqual([`/telemetry/tags/0 "site" ${WORDS}`]);
    expect(told({ telemetry: { tags: ['site', '/place/room'] }, required: ['site', 'place'] })).toEqual([
      `/telemetry/tags/1 "/place/room" ${WORDS}`,
    ]);
  });

  it.each<[string, Parameters<typeof schema>[0]]>([
    ['it is required', { telemetry: { tags: ['site'] }, required: ['site'] }],
    [
      'it is required under a condition',
      { telemetry: { tags: ['site'] }, if: { required: ['v'] }, else: { required: ['site'] } },
    ],
    ['it is captured by the topic', { telemetry: { tags: ['site'], topics: ['x/{site}/{device}'] } }],
    ['it names the device', { telemetry: { topics: ['x'], device: '/site', deviceTag: 'site' } }],
    ['it is a user property', { telemetry: { tags: [{ userProperty: 'plant' }] } }],
    ['there are none', {}],
  ])('is not spoken of where %s', (_, changes) => {
    expect(told(changes)).toEqual([]);
  });

  it('is a note of `check`, and stands in no way', () => {
    const dir = temporaryFolder('schemas');
    writeFileSync(join(dir, 'a.json'), JSON.stringify(schema({ properties, telemetry: { tags: ['site'] } })));
    const { notes, problems, schemas } = loadReadings(dir);
    expect([problems, schemas.length]).toEqual([[], 1]);
    expect(notes).toMatchObject([{ pointer: '/telemetry/tags/0' }]);
  });
});
