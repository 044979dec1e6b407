/** One run of a scenario: schemas, model, links, ledger, engine and what is shown, put together. */
import { resolve } from 'node:path';
import { GatewayError } from '../gateway/errors.ts';
import { makeFolders } from '../gateway/make-folders.ts';
import type { Scenario } from './contracts.ts';
import { runScenario } from './engine/run-scenario.ts';
import { createLedger } from './ledger/create-ledger.ts';
import { createLink } from './links/create-link.ts';
import { createTicker, systemClock } from './links/ticker.ts';
import { Measurements } from './measure/measurements.ts';
import { type Display, showProgress } from './measure/progress.ts';
import { type Summary, summaryOf } from './measure/summary.ts';
import { createModel } from './model/create-model.ts';
import { loadReadingSchemas } from './model/reading-schemas.ts';
import { seededRandom } from './random.ts';

export interface RunOptions {
  readonly scenario: Scenario;
  /** A new folder; null: no ledger is kept. */
  readonly ledger: string | null;
  /** Folder for the ports that serial devices make; null: none. */
  readonly ports: string | null;
  /** Of this program, for the ledger. */
  readonly version: string;
  /** Null: nothing is shown. */
  readonly display: Display | null;
  /** How long to wait at the end for what is unacknowledged; 30 s unless given. */
  readonly settleMs?: number;
  /** Between two connections that are opened; 0, unless given: as fast as they come up. */
  readonly connectIntervalMs?: number;
}

const SETTLE_MS = 30_000;

/**
 * Runs until the stages are over or the signal aborts.
 * @throws Error in plain words where there are no schemas, no connection comes up, or the ledger cannot be written.
 */
export async function run(options: RunOptions, signal: AbortSignal): Promise<Summary> {
  const { scenario, ledger, ports, version, display } = options;
  const schemas = loadReadingSchemas(scenario.schemas);
  makePorts(scenario, ports);
  const clock = {
    ...systemClock,
    nowMs: () => Date.now(),
    afterNetwork: (callback: () => void) => void setImmediate(callback),
  };
  const measurements = new Measurements(scenario.fleets.length);
  const ticker = createTicker(clock);
  const { url, username, password, tls } = scenario;
  const deps = { url, username, password, tls, ticker, random: seededRandom(scenario.seed), ports };
  const shown = display === null ? null : showProgress(measurements, display, clock);
  try {
    await runScenario(
      scenario,
      {
        clock,
        createModel: (startMs) => createModel(scenario, schemas, startMs),
        openLedger:
          ledger === null
            ? null
            : (startMs, { devices }) => createLedger(ledger, { startMs, version, scenario, devices }),
        createLink: (spec, names, listener) => createLink(spec, names, listener, deps),
        measurements,
        connectIntervalMs: options.connectIntervalMs ?? 0,
        settleMs: options.settleMs ?? SETTLE_MS,
      },
      signal,
    );
  } finally {
    shown?.();
    ticker.stop();
  }
  return summaryOf(scenario, measurements);
}

function makePorts({ fleets }: Scenario, ports: string | null): void {
  const makesPorts = fleets.some(({ link }) => link.kind === 'serial' && link.path === null);
  if (!makesPorts) return;
  if (ports === null)
    throw new GatewayError(
      'usage',
      'devices on serial cables make their ports in a folder: give --ports FOLDER; --print-serial prints what the gateway has to know of them',
    );
  makeFolders(resolve(ports));
}
