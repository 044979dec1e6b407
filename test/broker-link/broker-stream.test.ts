import { expect, test } from 'vitest';
import { brokerAddress, shownUrl } from '../../gateway/broker-link/broker-stream.ts';

test('the address of a broker is shown without what may be a token', () => {
  expect(shownUrl({ url: 'wss://broker:8084/mqtt?token=hush#more' })).toBe('wss://broker:8084/mqtt?(hidden)');
  expect(shownUrl({ url: 'wss://broker/mqtt#hush' })).toBe('wss://broker/mqtt?(hidden)');
  expect(shownUrl({ url: 'mqtt://broker:1883' })).toBe('mqtt://broker:1883');
});

test('the address of a broker is told apart: scheme, host and port', () => {
  expect(brokerAddress('mqtts://[::1]')).toEqual({
    ...{ scheme: 'mqtts', host: '::1', port: 8883, text: '[::1]:8883' },
  });
  expect(brokerAddress('ws://h/x?y')).toMatchObject({ scheme: 'ws', host: 'h', port: 80 });
  expect(brokerAddress('http://h')).toBeNull();
  expect(brokerAddress('mqtt://')).toBeNull();
});
