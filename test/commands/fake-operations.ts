/** Operations that answer the same each time, and keep what they were asked. */

import { GatewayError } from '../../gateway/errors.ts';
import type {
  DeviceReport,
  Operations,
  RejectionReport,
  SinkReport,
} from '../../gateway/operations-contract.ts';
import type { RejectionCause, ReplayReport } from '../../gateway/rejected-contract.ts';
import type { Tally } from '../../gateway/store-contract.ts';

export interface FakeOperations extends Operations {
  readonly asked: unknown[];
}

const TALLY: Tally = { received: 1206, stored: 1200, duplicate: 3, rejected: 2, forwarded: 1, refused: 0 };

export const DEVICE: DeviceReport = {
  device: 'kitchen',
  alias: 'Kitchen wall',
  firstSeenMs: 0,
  lastSeenMs: 60_000,
  source: 'mqtt',
  address: '192.0.2.7',
  client: 'c1',
  schemas: ['environment.v1'],
  ratePerMinute: 6,
  readings: 1206,
  rejected: 2,
  lastCode: 'invalid',
  seqGaps: 1,
  missing: 4,
  clock: { diagnosis: 'offset', words: '3 h 0 min ahead', offsetMs: 10_800_000, driftPpm: null, jumps: 0 },
  state: 'silent',
  expectEveryMs: 30_000,
};

export const CAUSE: RejectionCause = {
  code: 'invalid',
  schema: 'environment.v1',
  sink: null,
  pointer: '/temperature',
  message: 'must be number, got a string',
  count: 500,
  devices: ['kitchen'],
  moreDevices: false,
  firstMs: Date.UTC(2026, 2, 1),
  lastMs: Date.UTC(2026, 2, 2),
  example: { id: 'r1', message: 'must be number, got string "21.5"', payload: '{"temperature":"21.5"}' },
};

export const NOTHING_REPLAYED: ReplayReport = {
  ...{ looked: 0, stored: 0, duplicate: 0, written: 0, still: 0, anew: 0, gone: 0, atMost: false },
  causes: [],
  next: null,
};

export const SINK: SinkReport = {
  name: 'influx',
  cursor: 7,
  stored: 1200,
  written: 1100,
  rejected: 1,
  dropped: 0,
  pending: 99,
  pendingBytes: 4096,
  oldestPendingMs: 1_000,
  configured: true,
  state: 'retrying',
  reason: 'connection refused',
  lastWriteMs: null,
};

export const REJECTION: RejectionReport = {
  id: 'r1',
  atMs: Date.UTC(2026, 2, 1),
  code: 'invalid',
  source: 'mqtt',
  topic: 'sensors/\u001b[31mkitchen/environment',
  client: 'c1',
  device: 'kitchen',
  schema: 'environment.v1',
  index: null,
  sink: null,
  violations: [{ pointer: '/temperature', message: 'must be a number' }],
  payloadBytes: 4,
  payloadText: '"\\x1b"',
  payloadBase64: Buffer.from('"\u001b"').toString('base64'),
  resolved: null,
  username: null,
  format: null,
  schemaThen: { version: 'aaaaaaaaaaaa', text: '{\n  "temperature": "number"\n}' },
  schemaNow: { version: 'bbbbbbbbbbbb', text: '{\n  "temperature": "string"\n}' },
  today: [
    {
      kind: 'point',
      device: 'kitchen',
      schema: 'environment.v1',
      line: 'environment t=1 1',
      duplicate: false,
      clock: null,
    },
  ],
};

export function fakeOperations(changes: Partial<Operations> = {}): FakeOperations {
  const asked: unknown[] = [];
  return {
    asked,
    status: async () => ({
      version: '1.2.3',
      pid: 4711,
      running: true,
      startedMs: 0,
      store: {
        state: 'open',
        reason: null,
        lastSeq: 1,
        liveBytes: 1,
        maxBytes: 2,
        rejectedBytes: 0,
        rejectedMaxBytes: 1,
        rejectedCount: 0,
        rejectedOpenCount: 500,
        diskFreeBytes: 3,
      },
      sources: [{ name: 'mqtt', connections: 2 }],
      forwards: [],
      schemas: ['environment.v1'],
      schemaErrors: 0,
    }),
    health: async () => ({ status: 'ok', reasons: [] }),
    account: async () => ({
      total: TALLY,
      sources: { mqtt: TALLY },
      codes: {
        undecodable: 0,
        'no-route': 0,
        invalid: 2,
        'time-out-of-range': 0,
        'type-conflict': 0,
        cardinality: 0,
        'too-large': 0,
        'sink-rejected': 0,
      },
      rejections: { open: 1, replayed: 1, discarded: 0, evicted: 0 },
      imbalances: [],
      deviceCount: 1,
      devices: [{ device: 'kitchen', ...TALLY }],
      sinks: [SINK],
    }),
    deviceAccount: async (device) => {
      asked.push(device);
      if (device !== 'kitchen') throw new GatewayError('not-found', `no device ${device}`);
      return { device, ...TALLY };
    },
    topics: async () => [
      { topic: 'a/\u0007b', count: 5, schemas: [], lastMs: 0, sample: '{}', nearest: 'try environment.v1' },
    ],
    sinks: async () => [SINK, { ...SINK, name: 'old', configured: false, state: null, reason: null }],
    forwards: async () => [
      {
        ...{
          name: 'cloud',
          taken: 9,
          sent: 5,
          dropped: 1,
          pending: 3,
          pendingBytes: 2048,
          oldestPendingMs: null,
        },
        ...{ configured: true, url: 'mqtt://cloud', state: 'retrying', reason: 'nobody \u0007listens' },
        lastSentMs: null,
      },
      {
        ...{
          name: 'gone',
          taken: 2,
          sent: 0,
          dropped: 0,
          pending: 2,
          pendingBytes: 100,
          oldestPendingMs: null,
        },
        ...{ configured: false, url: null, state: null, reason: null, lastSentMs: null },
      },
    ],
    forgetSink: async (name) => {
      asked.push(name);
      if (name !== 'old') throw new GatewayError('sink-unknown', `no sink ${name}`);
      return { name, kind: 'sink', pending: 1_200, pendingBytes: 48_000 };
    },
    rejected: async (filter) => {
      asked.push(filter);
      return [REJECTION];
    },
    rejection: async (id) => {
      asked.push(id);
      if (id !== 'r1') throw new GatewayError('not-found', `no rejection ${id}`);
      return REJECTION;
    },
    rejectedCauses: async (query, after) => {
      asked.push({ query, after });
      return { causes: [CAUSE], looked: 500, others: 0, next: null };
    },
    rejectedRecords: async (query, after, limit) => {
      asked.push({ query, after, limit });
      const { schemaThen: _then, schemaNow: _now, today: _today, ...record } = REJECTION;
      return { rejections: [record], next: null };
    },
    replay: async (request) => {
      asked.push(request);
      return { ...NOTHING_REPLAYED, looked: 500, stored: 499, still: 1, causes: [{ ...CAUSE, count: 1 }] };
    },
    discardRejected: async (request) => {
      asked.push(request);
      return { discarded: 3, next: null };
    },
    devices: async (filter) => {
      asked.push(filter);
      return [DEVICE];
    },
    device: async (device) => {
      asked.push(device);
      if (device !== 'kitchen') throw new GatewayError('not-found', `no device ${device}`);
      return { device, ...TALLY, known: DEVICE, series: 2, causes: [CAUSE] };
    },
    series: async () => ({
      total: 80,
      budget: 100,
      refusedReadings: 7,
      estimatedRefusedSeries: 5,
      measurements: [
        {
          measurement: 'environment',
          series: 80,
          budget: null,
          refusedEstimate: 5,
          tags: [{ key: 'device', valuesEstimate: 79 }],
        },
      ],
      devices: [{ device: 'kitchen', series: 2 }],
    }),
    fields: async () => [
      {
        measurement: 'environment',
        field: 'temperature',
        type: 'float',
        firstSeenMs: 0,
        device: 'kitchen',
        schema: 'environment.v1',
        origin: 'schema',
      },
    ],
    forgetField: async (measurement, field) => {
      asked.push({ measurement, field });
      if (field !== 'temperature') throw new GatewayError('not-found', `no field ${field}`);
    },
    explain: async (request) => {
      asked.push(request);
      return {
        topic: request.topic,
        outcome: 'stored',
        schemas: ['environment.v1'],
        format: 'json',
        nearest: null,
        readings: [
          {
            kind: 'point',
            device: 'kitchen',
            schema: 'environment.v1',
            line: 'environment t=1 1',
            duplicate: false,
            clock: null,
          },
        ],
      };
    },
    ...changes,
  };
}
