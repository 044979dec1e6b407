import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { MQTT_FAULTS, PAYLOAD_FAULTS, SERIAL_FAULTS } from '../../../device-sim/contracts.ts';
import { loadScenario, parseScenario } from '../../../device-sim/scenario/load-scenario.ts';
import { scenarioFile, shippedScenarios } from '../../../device-sim/scenario/shipped.ts';
import { SCENARIO_SCHEMA_FILE } from '../../../device-sim/scenario/validate-scenario.ts';
import { GatewayError, problemText } from '../../../gateway/errors.ts';

function problems(yaml: string): string[] {
  try {
    parseScenario(yaml, 's.yaml');
  } catch (error) {
    if (error instanceof GatewayError) return error.problems.map(problemText);
    throw error;
  }
  return [];
}

describe('the scenarios that ship', () => {
  test('are these, and each says what it imitates', () => {
    expect(shippedScenarios()).toEqual([
      'factory-floor',
      'flaky-cellular',
      'hostile',
      'morning-storm',
      'steady-home',
      'vehicles',
    ]);
    for (const name of shippedScenarios()) {
      const scenario = loadScenario(scenarioFile(name));
      expect(scenario.name).toBe(name);
      expect(scenario.description.length).toBeGreaterThan(40);
    }
  });

  test('name reading schemas that ship', () => {
    const folder = join(import.meta.dirname, '../../../schemas/readings');
    for (const name of shippedScenarios()) {
      for (const { schema } of loadScenario(scenarioFile(name)).fleets) {
        if (schema !== null)
          expect(JSON.parse(readFileSync(join(folder, `${schema}.json`), 'utf8')).$id).toBe(schema);
      }
    }
  });

  test('hostile has every fault that there is over MQTT, each at 5 %', () => {
    for (const { faults } of loadScenario(scenarioFile('hostile')).fleets)
      expect(faults).toEqual(
        Object.fromEntries([...PAYLOAD_FAULTS, ...MQTT_FAULTS].map((name) => [name, 0.05])),
      );
  });

  test('a name that is nearly right is answered with the right one', () => {
    expect(() => scenarioFile('hostil')).toThrow('did you mean hostile?');
  });
});

describe('the schema of scenarios', () => {
  const schema = JSON.parse(readFileSync(SCENARIO_SCHEMA_FILE, 'utf8'));

  test('describes every key', () => {
    const bare: string[] = [];
    const visit = (value: unknown, path: string): void => {
      if (typeof value !== 'object' || value === null) return;
      if ('properties' in value && typeof value.properties === 'object' && value.properties !== null) {
        for (const [key, rule] of Object.entries(value.properties))
          if (typeof rule.description !== 'string' || rule.description.length < 5)
            bare.push(`${path}/${key}`);
      }
      for (const [key, each] of Object.entries(value)) visit(each, `${path}/${key}`);
    };
    visit(schema, '');
    expect(bare).toEqual([]);
  });

  test('knows every fault', () => {
    const known = Object.keys(schema.$defs.faults.properties);
    expect(known).toEqual([...PAYLOAD_FAULTS, ...MQTT_FAULTS, ...SERIAL_FAULTS]);
  });
});

describe('a scenario', () => {
  test.each(['*Geheim42', '!Geheim42', '>Geheim42', '|Geheim42', 'a: Geheim42', '"Geheim42'])(
    'never shows a password whose quotes were forgotten: %s',
    (password) => {
      const shown = problems(`mqtt:\n  password: ${password}\nname: x\n`);
      expect(shown.join()).toMatch(/quote/);
      expect(shown.join()).not.toContain('Geheim42');
    },
  );

  test('with nothing in it is ten devices, until interrupted', () => {
    const scenario = parseScenario('', 'x/mine.yaml');
    expect(scenario).toMatchObject({ name: 'mine', seed: 1, url: 'mqtt://127.0.0.1:1883', username: null });
    expect(scenario.stages).toEqual([{ kind: 'hold', durationMs: null, rate: 1, share: 1 }]);
    expect(scenario.fleets).toEqual([
      {
        name: 'fleet-1',
        devices: 10,
        schema: null,
        ratePerSecond: 1,
        topic: null,
        payloadBytes: null,
        faults: {},
        link: {
          kind: 'mqtt',
          url: null,
          clientId: '%d',
          qos: 1,
          cleanSession: false,
          keepaliveSeconds: 60,
          maxInFlight: 100,
          reconnectMinMs: 500,
          reconnectMaxMs: 30_000,
          devicesPerConnection: 1,
          receipts: true,
        },
      },
    ]);
  });

  test('has units, and paths that start at its folder', () => {
    const scenario = parseScenario(
      `schemas: [readings, /abs/one.json]
tls: { caFile: ca.pem }
fleets:
  - { rate: 1/10s, payload: 1KiB, faults: { violation: 5%, glued: 0.01 }, serial: { ack: true } }
stages:
  - { stage: ramp, for: 500ms }
  - { stage: burst, for: 2min }
  - { stage: storm, share: 20% }`,
      '/scenarios/mine.yaml',
    );
    expect(scenario.schemas).toEqual(['/scenarios/readings', '/abs/one.json']);
    expect(scenario.tls.caFile).toBe('/scenarios/ca.pem');
    expect(scenario.fleets[0]).toMatchObject({
      ratePerSecond: 0.1,
      payloadBytes: 1024,
      faults: { violation: 0.05, glued: 0.01 },
      link: { kind: 'serial', path: null, baudRate: 115_200, ack: true },
    });
    expect(scenario.stages).toEqual([
      { kind: 'ramp', durationMs: 500, rate: 1, share: 1 },
      { kind: 'burst', durationMs: 120_000, rate: 5, share: 1 },
      { kind: 'storm', durationMs: null, rate: 1, share: 0.2 },
    ]);
  });

  test.each([
    ['fleets:\n  - devises: 3', ['s.yaml:2:5 /fleets/0/devises is not known; did you mean devices?']],
    ['fleets: [{ devices: 0 }]', ['s.yaml:1:12 /fleets/0/devices must be a whole number from 1 to 1000000']],
    ['fleets: [{ rate: fast }]', ['s.yaml:1:12 /fleets/0/rate must be a rate like 1/s, 6/min or 1/10s']],
    ['fleets: [{ rate: 0/s }]', ['s.yaml:1:12 /fleets/0/rate a rate looks like 1/s, 10/s, 6/m or 1/10s']],
    [
      'fleets: [{ faults: { violation: 150% } }]',
      ['s.yaml:1:22 /fleets/0/faults/violation must be a share like 5% or 0.05'],
    ],
    [
      'fleets: [{ faults: { noise: 1% } }]',
      ['s.yaml:1:22 /fleets/0/faults/noise is a fault of serial cables; this fleet speaks MQTT'],
    ],
    [
      'fleets: [{ serial: {}, faults: { cut: 1% } }]',
      ['s.yaml:1:34 /fleets/0/faults/cut is a fault of MQTT; this fleet is on serial cables'],
    ],
    [
      'fleets: [{ serial: {}, mqtt: {} }]',
      ['s.yaml:1:10 /fleets/0 has both mqtt and serial; a fleet is one of them'],
    ],
    ['fleets: [{ mqtt: { qos: 3 } }]', ['s.yaml:1:20 /fleets/0/mqtt/qos must be one of 0, 1, 2']],
    [
      'fleets: [{ mqtt: { clientId: me } }]',
      [
        's.yaml:1:20 /fleets/0/mqtt/clientId needs %d or %i: there are several connections, and they would throw each other out',
      ],
    ],
    [
      'fleets: [{ name: a }, { name: a }]',
      ['s.yaml:1:25 /fleets/1/name is the name of another fleet too: a'],
    ],
    ['stages: [{ for: 1s }]', ['s.yaml:1:10 /stages/0 needs stage']],
    [
      'stages: [{ stage: hold }, { stage: hold }]',
      ['s.yaml:1:10 /stages/0 needs for: only the last stage, if it is no ramp, can go on until interrupted'],
    ],
    [
      'stages: [{ stage: hold, for: 1s }, { stage: ramp, for: 1s }]',
      ['s.yaml:1:38 /stages/1/stage ramp can be the first stage only'],
    ],
    ['url: http://x', ['s.yaml:1:1 /url must be a URL like mqtt://host:1883 (mqtt, mqtts, ws, wss)']],
    ['a: [', [expect.stringMatching(/^s\.yaml:1:5 /)]],
    ['- 1', ['s.yaml:1:1 must be object']],
  ])('%s is a problem at its place', (yaml, expected) => {
    expect(problems(yaml)).toEqual(expected);
  });
});
