import { expect, test } from 'vitest';
import { hidePasswords } from '../../gateway/broker-link/hide-passwords.ts';

test.each([
  ['reader:s3cret@h:1883', 'reader:…@h:1883'],
  ['mqtt:/reader:s3cret@h', 'mqtt:…@h'],
  ['mqtt://reader:12/s3cret@h', 'mqtt:…@h'],
  ['mqtt://reader:s3 cr@et@h/x', 'mqtt:…@h/x'],
  ['mqtt://reader:s3cret%40h', 'mqtt:…%40h'],
  ['mqtt://reader:s3cret\uff20h', 'mqtt:…\uff20h'],
  ['error: unknown option --liv=mqtt://r:s3cret@h', 'error: unknown option --liv=mqtt:…@h'],
  ['error: reader:s3\ncret@h', 'error: reader:…@h'],
])('of %j nothing is left between the first colon and the last @', (text, shown) => {
  expect(hidePasswords(text)).toBe(shown);
});

test.each(['mqtt://h:1883', 'drafts cannot be made: ENOSPC', 'who@where: is no topic', 'a: b@c'])(
  '%j has no password, and stays as it is',
  (text) => {
    expect(hidePasswords(text)).toBe(text);
  },
);
