import { expect, test } from 'vitest';
import { connackWords } from '../../gateway/broker-link/reason-words.ts';

test('a CONNECT that is not authorised says with MQTT 5 as much as with MQTT 3.1.1', () => {
  expect(connackWords(135, 5)).toBe(connackWords(5, 4));
  expect(connackWords(135, 5)).toContain('wrong username, password or client id');
});

test('a broker of MQTT 3.1.1 alone says that to a client of MQTT 5 in its own way', () => {
  expect(connackWords(1, 5)).toBe('it does not speak MQTT 5: set protocol: 3.1.1');
  expect(connackWords(1, 4)).toBe('it does not speak MQTT 3.1.1: set protocol: 5');
});
