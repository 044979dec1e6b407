import { expect, test } from 'vitest';
import { loadScenario } from '../../../device-sim/scenario/load-scenario.ts';
import { plainScenario, withAddress, withOptions } from '../../../device-sim/scenario/scenario-options.ts';
import { scenarioFile } from '../../../device-sim/scenario/shipped.ts';

const hostile = loadScenario(scenarioFile('hostile'));
const factory = loadScenario(scenarioFile('factory-floor'));

test('nothing said changes nothing', () => {
  expect(withOptions(factory, {}, false)).toEqual(factory);
});

test('--devices is the whole fleet, each part in its proportion', () => {
  const counts = (devices: number): number[] =>
    withOptions(factory, { devices }, false).fleets.map((fleet) => fleet.devices);
  expect(counts(540)).toEqual([400, 80, 60]);
  expect(counts(27)).toEqual([20, 4, 3]);
  expect(counts(1)).toEqual([1, 1, 1]);
});

test('--for cuts the stages off, or stretches the last one', () => {
  const stages = (ms: number): (number | null)[] =>
    withOptions(factory, { for: ms }, false).stages.map(({ durationMs }) => durationMs);
  expect(stages(60_000)).toEqual([20_000, 40_000]);
  expect(stages(600_000)).toEqual([20_000, 120_000, 30_000, 430_000]);
  expect(withOptions(plainScenario(), { for: 5_000 }, true).stages[0]?.durationMs).toBe(5_000);
});

test('--faults sets the faults that the scenario has; without a scenario all there are', () => {
  const rates = new Set(Object.values(withOptions(hostile, { faults: 0.01 }, false).fleets[0]?.faults ?? {}));
  expect([...rates]).toEqual([0.01]);
  expect(withOptions(factory, { faults: 0.2 }, false).fleets.map(({ faults }) => faults)).toEqual([
    { 'type-flip': 0.2, stuck: 0.2 },
    { violation: 0.2 },
    {},
  ]);
  expect(
    Object.keys(withOptions(plainScenario(), { faults: 0.2 }, true).fleets[0]?.faults ?? {}),
  ).toHaveLength(16);
});

test('--serial is a fleet of its own, and alone unless devices are asked for too', () => {
  const alone = withOptions(plainScenario(), { serial: 20, serialAck: true, rate: 5 }, true);
  expect(alone.fleets).toMatchObject([
    { name: 'serial', devices: 20, ratePerSecond: 5, link: { kind: 'serial', path: null, ack: true } },
  ]);
  const beside = withOptions(plainScenario(), { serial: 2, devices: 3 }, true);
  expect(beside.fleets.map(({ name, devices }) => [name, devices])).toEqual([
    ['devices', 3],
    ['serial', 2],
  ]);
});

test('what is said of connections is said of all MQTT fleets', () => {
  const options = { url: 'ws://h:1', qos: 2, maxInFlight: 7, clientId: 'c-%i', username: 'u' } as const;
  const scenario = withOptions(hostile, options, false);
  expect(scenario).toMatchObject({ url: 'ws://h:1', username: 'u' });
  for (const { link } of scenario.fleets)
    expect(link).toMatchObject({ url: null, qos: 2, maxInFlight: 7, clientId: 'c-%i' });
});

test('a host and a port change nothing else of the address', () => {
  expect(withAddress('mqtt://127.0.0.1:1883', 'broker', undefined)).toBe('mqtt://broker:1883');
  expect(withAddress('mqtt://127.0.0.1:1883', undefined, 1884)).toBe('mqtt://127.0.0.1:1884');
  // The usual port of its protocol, which is not 1883.
  expect(withAddress('mqtts://old', 'new', undefined)).toBe('mqtts://new');
  expect(withAddress('ws://old:9001/mqtt', 'new', 9002)).toBe('ws://new:9002/mqtt');
  expect(withAddress('mqtt://127.0.0.1:1883', '::1', undefined)).toBe('mqtt://[::1]:1883');
  expect(() => withAddress('mqtt://127.0.0.1:1883', 'a b', undefined)).toThrow('no name of a host');
});
