/** Operations that answer the same each time, and keep what they were asked. */

import { GatewayError } from '../../gateway/errors.ts';
import type { Operations, RejectionReport, SinkReport } from '../../gateway/operations-contract.ts';
import type { Tally } from '../../gateway/store-contract.ts';

export interface FakeOperations extends Operations {
  readonly asked: unknown[];
}

const TALLY: Tally = { stored: 1200, duplicate: 3, rejected: 2, forwarded: 1, refused: 0 };

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
        diskFreeBytes: 3,
      },
      sources: [{ name: 'mqtt', connections: 2 }],
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
      rejectedEvicted: 0,
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
    forgetSink: async (name) => {
      asked.push(name);
      if (name !== 'old') throw new GatewayError('sink-unknown', `no sink ${name}`);
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
    explain: async (request) => {
      asked.push(request);
      return {
        topic: request.topic,
        outcome: 'stored',
        schemas: ['environment.v1'],
        format: 'json',
        nearest: null,
        readings: [{ kind: 'point', device: 'kitchen', schema: 'environment.v1', line: 'environment t=1 1' }],
      };
    },
    ...changes,
  };
}
