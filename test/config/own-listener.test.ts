import { describe, expect, test } from 'vitest';
import { canonicalHost } from '../../gateway/config/loopback.ts';
import { isOwnListener, type Machine, thisMachine } from '../../gateway/config/own-listener.ts';

const MACHINE: Machine = {
  names: new Set(['pi.example', 'pi', 'pi.local']),
  addresses: new Set(['127.0.0.1', '::1', '192.168.1.5', 'fe80::1']),
};

describe('the gateway finds itself behind an address', () => {
  test.each([
    ['0.0.0.0', 'localhost'],
    ['0.0.0.0', '0.0.0.0'],
    ['0.0.0.0', '0'],
    ['0.0.0.0', '192.168.1.5'],
    ['0.0.0.0', 'PI.local'],
    ['0.0.0.0', 'pi.example.'],
    ['::', '[fe80::1]'],
    ['::', '[::ffff:192.168.1.5]'],
    ['192.168.1.5', '192.168.1.5'],
    ['192.168.1.5', 'pi'],
    ['pi', '192.168.1.5'],
    ['127.0.0.1', '127.1'],
    ['127.0.0.1', '2130706433'],
    ['localhost', '[::1]'],
    ['broker.example', 'broker.example'],
  ])('listening on %s, it is %s', (host, target) => {
    const listeners = [{ host, port: 1883, anonymous: true }];
    expect(isOwnListener({ url: `mqtt://${target}` }, listeners, MACHINE)).toBe(true);
    expect(isOwnListener({ url: `mqtt://${target}:1884` }, listeners, MACHINE)).toBe(false);
  });

  test.each([
    ['0.0.0.0', '192.168.1.6'],
    ['0.0.0.0', 'pi.other'],
    ['127.0.0.1', '192.168.1.5'],
    ['127.0.0.1', 'pi.local'],
    ['192.168.1.5', 'localhost'],
    ['192.168.1.5', '127.0.0.1'],
  ])('listening on %s, it is not %s', (host, target) => {
    const listeners = [{ host, port: 1883, anonymous: true }];
    expect(isOwnListener({ url: `mqtt://${target}` }, listeners, MACHINE)).toBe(false);
  });
});

test('this machine has a name and an address', () => {
  const { names, addresses } = thisMachine();
  expect(names.size).toBeGreaterThan(0);
  expect([...addresses]).toContain('127.0.0.1');
});

test.each([
  ['0x7f.1', '127.0.0.1'],
  ['[::1]'.slice(1, -1), '::1'],
  ['0:0:0:0:0:0:0:1', '::1'],
  ['::ffff:10.0.0.1', '10.0.0.1'],
  ['Broker.Local.', 'broker.local'],
  ['fe80::1%eth0', 'fe80::1%eth0'],
  ['', ''],
])('%s is written %s', (host, canonical) => {
  expect(canonicalHost(host)).toBe(canonical);
});
