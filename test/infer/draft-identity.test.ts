import { describe, expect, test } from 'vitest';
import { draftOf, infer, messageOf, readUnder } from './inference.ts';

const readings = (topics: readonly string[], boots: readonly number[]) =>
  topics.flatMap((topic) =>
    boots.flatMap((boot) =>
      [1, 2, 3].map((seq) => ({ topic, payload: JSON.stringify({ boot, seq, v: 1.5 }) })),
    ),
  );
const WORDS = 'add "identity": ["boot", "seq"] if they never come again';

describe('an identity', () => {
  test('is named where one is likely, in the notes and in the schema, and never drafted', () => {
    const families = infer(readings(['b/a7'], [1, 2, 3]));
    expect(families[0]?.draft?.notes.join(' ')).toContain(WORDS);
    const draft = draftOf(families, 'b/{device}');
    expect(draft.description).toContain(WORDS);
    expect(draft.telemetry).not.toHaveProperty('identity');
  });

  test('is not named where the same came twice from a device, on whichever of its topics', () => {
    for (const sent of [
      [...readings(['b/a7'], [1, 2]), ...readings(['b/a7'], [1, 2])],
      readings(['plant/line1/press/env', 'plant/line2/press/env', 'plant/line2/oven/env'], [1]),
    ])
      expect(infer(sent)[0]?.draft?.notes.join(' ')).not.toContain('identity');
  });

  test('no reading of devices of one name on several topics is lost for it', () => {
    const topics = ['line1', 'line2'].flatMap((line) =>
      ['press1', 'press2', 'oven'].map((device) => `plant/${line}/${device}/env`),
    );
    const sent = readings(topics, [1]);
    const [family] = infer(sent);
    expect(family?.trial).toMatchObject({ samples: 18, accepted: 18, repeats: 0 });
    const lines = readUnder(
      infer(sent),
      sent.map(({ topic, payload }) => messageOf(topic, payload)),
    );
    expect(lines.filter((line) => line.startsWith('plant'))).toHaveLength(18);
  });

  test('readings that the gateway would take for repeats are counted', () => {
    const payload = JSON.stringify({ ts: Date.UTC(2026, 2, 1, 12), v: 1 });
    const [family] = infer([
      { topic: 'b/a7', payload },
      { topic: 'b/a7', payload },
    ]);
    expect(family?.trial).toMatchObject({ samples: 2, accepted: 2, repeats: 1 });
  });
});
