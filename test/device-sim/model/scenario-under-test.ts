import type { FleetSpec, Scenario } from '../../../device-sim/contracts.ts';

export function fleetOf(more: Partial<FleetSpec> = {}): FleetSpec {
  return {
    name: 'fleet',
    devices: 1,
    schema: null,
    ratePerSecond: 1,
    topic: null,
    payloadBytes: null,
    link: {
      kind: 'mqtt',
      url: null,
      clientId: '%d',
      qos: 1,
      cleanSession: true,
      keepaliveSeconds: 60,
      maxInFlight: 100,
      reconnectMinMs: 100,
      reconnectMaxMs: 1000,
      devicesPerConnection: 1,
      receipts: false,
    },
    faults: {},
    ...more,
  };
}

export function scenarioOf(fleets: readonly FleetSpec[], seed = 1): Scenario {
  return {
    name: 'test',
    description: '',
    seed,
    url: 'mqtt://127.0.0.1',
    username: null,
    password: null,
    tls: { caFile: null, insecure: false },
    schemas: [],
    fleets,
    stages: [],
  };
}
