import { expect, test } from 'vitest';
import { familyText } from '../../gateway/commands/family-text.ts';
import { infer } from '../infer/inference.ts';

const times = (n: number, topic: string, payload: string) =>
  Array.from({ length: n }, () => ({ topic, payload }));

test('counts of other topics that a pattern matches are said to be of those', () => {
  const [family] = infer([
    ...times(6, 'x/d1', '{"t":1,"h":2}'),
    ...times(6, 'x/d2', '{"t":1,"h":2}'),
    ...times(3, 'x/status', 'online'),
  ]);
  if (family === undefined) throw new Error('no family');
  const text = familyText(family, null);
  expect(text).toContain('x/{device}: 2 topics, 12 messages');
  expect(text).toContain('takes 12 of 15 samples of the 3 topics that its pattern matches, 2 series');
});

test('a value that is left out stands in the line of the draft, and not among its notes alone', () => {
  const [family] = infer([
    ...times(6, 'x/d1', '{"v":1.5,"q":192}'),
    ...times(6, 'x/d2', '{"v":"A","q":192}'),
  ]);
  if (family === undefined) throw new Error('no family');
  expect(familyText(family, null)).toMatch(
    /takes all 12 samples, 2 series, but stores q alone: v, which is sometimes a number, sometimes a text, is left out\n/,
  );
});
