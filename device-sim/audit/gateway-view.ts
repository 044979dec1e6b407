import { spawn } from 'node:child_process';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { decodeLine } from '../../gateway/line-protocol/decode.ts';
import { digestOf } from '../field-digest.ts';
import type { GatewayCounts, GatewayView, RejectedReading } from './audit-contract.ts';
import { rowOfPoint } from './line-row.ts';

const LAST_WORDS = 2000;

/** How to run the gateway's own program on its folder. */
export interface GatewayProgram {
  readonly nodePath: string;
  /** `dist/gateway/main.js`. */
  readonly main: string;
  /** For a configuration file; the caller deletes it. */
  readonly folder: string;
}

/** A gateway by the address of its HTTP door, by its `gateway.yaml`, or by its data folder. */
export function viewGateway(where: string, program: GatewayProgram): GatewayView {
  return /^https?:\/\//.test(where) ? overHttp(where) : throughProgram(where, program);
}

function overHttp(url: string): GatewayView {
  const base = url.endsWith('/') ? url : `${url}/`;
  const get = async (path: string): Promise<Response> => {
    let response: Response;
    try {
      response = await fetch(new URL(path, base));
    } catch (error) {
      throw new Error(`the gateway does not answer at ${base}`, { cause: error });
    }
    if (!response.ok) {
      throw new Error(`the gateway answered ${response.status}: ${(await response.text()).slice(0, 300)}`);
    }
    return response;
  };
  return {
    name: base,
    counts: async () => countsOf(await (await get('api/account')).json()),
    async *rejected(sinceMs) {
      const since = encodeURIComponent(new Date(sinceMs).toISOString());
      const { body } = await get(`api/rejected/export?state=all&since=${since}`);
      if (body === null) return;
      for await (const line of createInterface({ input: Readable.fromWeb(body) })) yield rejectedOf(line);
    },
  };
}

function throughProgram(path: string, { nodePath, main, folder }: GatewayProgram): GatewayView {
  if (!existsSync(path)) throw new Error(`${path} is neither the address of a gateway nor its folder`);
  const config = statSync(path).isDirectory() ? join(folder, 'gateway.json') : resolve(path);
  if (statSync(path).isDirectory()) writeFileSync(config, JSON.stringify({ data: resolve(path) }));
  const lines = async function* (args: readonly string[]): AsyncGenerator<string, undefined> {
    const child = spawn(nodePath, [main, ...args, '--config', config], { stdio: ['ignore', 'pipe', 'pipe'] });
    let words = '';
    child.stderr.on('data', (chunk: Buffer) => {
      words = (words + chunk.toString()).slice(-LAST_WORDS);
    });
    const ended = new Promise<number | null>((done) => {
      child.once('error', (error) => {
        words = error.message;
        done(null);
      });
      child.once('close', done);
    });
    try {
      yield* createInterface({ input: child.stdout });
    } finally {
      if (child.exitCode === null) child.kill('SIGTERM');
    }
    if ((await ended) !== 0) throw new Error(`the gateway's folder ${path} cannot be asked: ${words.trim()}`);
    return undefined;
  };
  return {
    name: path,
    counts: async () => {
      let text = '';
      for await (const line of lines(['account', '--json'])) text += `${line}\n`;
      return countsOf(JSON.parse(text));
    },
    async *rejected(sinceMs) {
      const since = new Date(sinceMs).toISOString();
      for await (const line of lines(['rejected', 'export', '--state', 'all', '--since', since])) {
        yield rejectedOf(line);
      }
    },
  };
}

function countsOf(account: unknown): GatewayCounts {
  const rejections = part(account, 'rejections');
  const sinks = part(account, 'sinks');
  if (!Array.isArray(sinks)) throw new Error('what answered is no gateway of this version');
  return {
    sinks: sinks.map((sink: unknown) => ({
      name: String(part(sink, 'name')),
      pending: numberOf(part(sink, 'pending')),
      dropped: numberOf(part(sink, 'dropped')),
    })),
    rejectionsGone: numberOf(part(rejections, 'evicted')) + numberOf(part(rejections, 'discarded')),
  };
}

function rejectedOf(line: string): RejectedReading {
  const record: unknown = JSON.parse(line);
  const device = part(record, 'device');
  const payload = Buffer.from(String(part(record, 'payloadBase64')), 'base64');
  return {
    device: typeof device === 'string' ? device : null,
    atMs: numberOf(part(record, 'atMs')),
    payload: digestOf(payload),
    point: part(record, 'code') === 'sink-rejected' ? pointOf(payload) : null,
  };
}

function pointOf(line: Buffer): RejectedReading['point'] {
  try {
    const point = decodeLine(line);
    return { measurement: point.measurement, row: rowOfPoint(point) };
  } catch {
    // Not a line that the gateway would write: a rejection that no reading explains.
    return null;
  }
}

function part(value: unknown, key: string): unknown {
  // An own property of plain data.
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
