import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { PACKAGE_ROOT } from '../../gateway/package-root.ts';
import { openLedger } from '../ledger/read-ledger.ts';
import { parseDuration } from '../quantities.ts';
import type { AuditStore, GatewayCounts, GatewayView } from './audit-contract.ts';
import { auditText } from './audit-text.ts';
import { readCountsBefore } from './counts-before.ts';
import { openEmbeddedStore } from './embedded-store.ts';
import { viewGateway } from './gateway-view.ts';
import { createInfluxStore } from './influx-store.ts';
import { makeOwnFolder } from './own-folder.ts';
import { type AuditResult, runAudit } from './run-audit.ts';
import { createVictoriaStore } from './victoria-store.ts';

/** What the audit needs of its process. */
export interface AuditIo {
  say(text: string): void;
  complain(text: string): void;
  setExitCode(code: number): void;
  readonly nodePath: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

/** The options of `withAuditOptions`, as commander hands them over. */
export interface AuditOptions {
  readonly influx?: string;
  readonly bucket?: string;
  readonly org?: string;
  readonly token?: string;
  readonly influxUsername?: string;
  readonly influxPassword?: string;
  readonly victoria?: string;
  readonly embedded?: string;
  readonly gateway?: string;
  readonly sink?: string;
  /** ms, as the two after it. */
  readonly wait?: number;
  readonly slack?: number;
  readonly clockTolerance?: number;
  readonly all?: true;
  readonly json?: boolean;
}

const WAIT_MS = 60_000;
const SLACK_MS = 5000;
const FEW_NAMED = 10;
const ALL_NAMED = 100_000;

/** The options that say which database and gateway; for `audit`, and for `run --audit`. */
export function withAuditOptions(command: Command): Command {
  return command
    .option('--influx <url>', 'audit: InfluxDB 1 or 2')
    .option('--bucket <name>', 'audit: its bucket, or database')
    .option('--org <name>', 'audit: its organisation (version 2)')
    .option('--token <token>', 'audit: its token (version 2), better in INFLUX_TOKEN')
    .option('--influx-username <name>', 'audit: its user (version 1)')
    .option('--influx-password <password>', 'audit: better in INFLUX_PASSWORD')
    .option('--victoria <url>', 'audit: VictoriaMetrics, compared by time and count')
    .option('--embedded <path>', "audit: the gateway's data folder, or its DuckDB file")
    .option('--gateway <where>', 'audit: address of its HTTP door, its gateway.yaml, or its data folder')
    .option('--sink <name>', 'audit: the sink of the gateway that writes to this database')
    .option('--wait <duration>', 'audit: for the gateway to write what it has (default: 60s)', parseDuration)
    .option('--slack <duration>', 'audit: how far clocks may differ (default: 5s)', parseDuration)
    .option('--clock-tolerance <duration>', 'audit: how far the gateway corrects clocks', parseDuration)
    .option('--all', 'audit: name everything that was found');
}

/** `device-sim audit`: exit code 1 where something acknowledged is lost or altered, 2 where that cannot be told. */
export function addAuditCommand(program: Command, io: AuditIo): void {
  withAuditOptions(
    program
      .command('audit')
      .description('compares the ledger of a run with the database: is anything lost, altered, double?')
      .requiredOption('--ledger <path>', 'what `run --ledger` wrote')
      .option('--username <name>', 'as --influx-username')
      .option('--password <password>', 'as --influx-password')
      .option('--json', 'the result as JSON, with every device'),
  ).action(async (options: AuditOptions & { ledger: string; username?: string; password?: string }) => {
    const { username, password } = options;
    const given: AuditOptions = {
      ...(username === undefined ? {} : { influxUsername: username }),
      ...(password === undefined ? {} : { influxPassword: password }),
      ...options,
    };
    try {
      const good = await auditRun(options.ledger, given, io);
      if (!good) io.setExitCode(1);
    } catch (error) {
      io.complain(`device-sim: the audit could not be made: ${messageOf(error)}`);
      io.setExitCode(2);
    }
  });
}

/**
 * Makes the audit and says the result. True: nothing acknowledged is lost or altered.
 * @throws Error in plain words where it cannot be made.
 */
export async function auditRun(ledgerPath: string, options: AuditOptions, io: AuditIo): Promise<boolean> {
  const result = await auditLedger(ledgerPath, options, io);
  io.say(options.json === true ? JSON.stringify(result) : auditText(result));
  return result.good;
}

/** The same, for a caller that says the result itself. @throws Error in plain words where it cannot be made. */
export async function auditLedger(
  ledgerPath: string,
  options: AuditOptions,
  io: Pick<AuditIo, 'nodePath' | 'env' | 'signal'>,
): Promise<AuditResult> {
  const problem = auditProblem(options);
  if (problem !== null) throw new Error(problem);
  const ledger = openLedger(ledgerPath);
  const folder = makeOwnFolder(tmpdir(), 'device-sim-audit-');
  let store: AuditStore | null = null;
  try {
    const gateway = gatewayOf(options, io.nodePath, folder);
    store = lazyStore(options, io.env, folder);
    return await runAudit(ledger, store, gateway, {
      waitMs: options.wait ?? WAIT_MS,
      slackMs: options.slack ?? SLACK_MS,
      clockToleranceMs: options.clockTolerance ?? 0,
      sink: options.sink ?? null,
      before: readCountsBefore(ledgerPath),
      mostNamed: options.all === true || options.json === true ? ALL_NAMED : FEW_NAMED,
      signal: io.signal,
    });
  } finally {
    await store?.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What the gateway of these options counts now: before a run. Null: there is none, or it cannot be asked. */
export async function countsNow(
  options: AuditOptions,
  io: Pick<AuditIo, 'nodePath'>,
): Promise<GatewayCounts | null> {
  const folder = makeOwnFolder(tmpdir(), 'device-sim-audit-');
  try {
    return (await gatewayOf(options, io.nodePath, folder)?.counts()) ?? null;
  } catch {
    // The audit asks again, and says why it cannot.
    return null;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `folder`: for a configuration file. @throws Error where its folder is not there. */
function gatewayOf(
  { gateway, embedded }: AuditOptions,
  nodePath: string,
  folder: string,
): GatewayView | null {
  const where = gateway ?? embedded;
  if (where === undefined || where.endsWith('.duckdb')) return null;
  return viewGateway(where, { nodePath, main: join(PACKAGE_ROOT, 'dist', 'gateway', 'main.js'), folder });
}

/** What is wrong with these options, in words; null: nothing. To be asked before a run that ends with an audit. */
export function auditProblem({ influx, bucket, victoria, embedded }: AuditOptions): string | null {
  const given = [influx, victoria, embedded].filter((each) => each !== undefined).length;
  if (given !== 1) {
    return 'an audit needs the database that the gateway writes to: --influx URL --bucket NAME, --victoria URL or --embedded DATA';
  }
  return influx !== undefined && bucket === undefined
    ? '--influx needs --bucket (or the name of the database)'
    : null;
}

/** The embedded store is opened when it is first asked: until then the gateway writes to it. */
function lazyStore(options: AuditOptions, env: AuditIo['env'], folder: string): AuditStore {
  const { embedded, victoria, influx } = options;
  if (victoria !== undefined) return createVictoriaStore(victoria);
  if (influx !== undefined) {
    return createInfluxStore({
      url: influx,
      bucket: options.bucket ?? '',
      org: options.org ?? null,
      token: options.token ?? env.INFLUX_TOKEN ?? null,
      username: options.influxUsername ?? null,
      password: options.influxPassword ?? env.INFLUX_PASSWORD ?? null,
    });
  }
  let opened: Promise<AuditStore> | null = null;
  const path = embedded ?? '';
  return {
    name: `the embedded store in ${path}`,
    resolutionNs: 1n,
    tellsFields: true,
    async *rows(measurement, ranges) {
      opened ??= openEmbeddedStore(path, folder);
      yield* (await opened).rows(measurement, ranges);
    },
    close: async () => {
      // Where it could not be opened there is nothing to close, and the reason was told by `rows`.
      await opened?.then(
        async (store) => await store.close(),
        () => undefined,
      );
    },
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
