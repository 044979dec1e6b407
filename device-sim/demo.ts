/**
 * The demo: a gateway with the embedded store, a small fleet, and where to look. With `seconds` it also proves the
 * promise: every acknowledged reading is in the store, or kept as rejected.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { type DemoGateway, readAccount, startDemoGateway } from './demo-gateway.ts';
import { embeddedAvailable, embeddedRows } from './embedded-rows.ts';
import { describeSummary, type Summary } from './measure/summary.ts';
import { run } from './run.ts';
import { plainScenario, withOptions } from './scenario/scenario-options.ts';

export interface DemoOptions {
  /** The folder of package.json. */
  readonly home: string;
  readonly nodePath: string;
  /** Null: until interrupted. */
  readonly seconds: number | null;
  readonly devices: number;
  readonly readingsPerSecond: number;
  /** Of this package. */
  readonly version: string;
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
}

const BAD_SHARE = 0.05;

/** Resolves with whether the account closed and every acknowledged reading was found. */
export async function runDemo(options: DemoOptions): Promise<boolean> {
  const { say, seconds, signal } = options;
  const embedded = await embeddedAvailable();
  if (!embedded) {
    say(
      'The embedded store (DuckDB) has no build for this platform: readings stay in the gateway’s own log here.',
    );
  }
  const folder =
    seconds === null ? join(options.home, 'data', 'demo') : await mkdtemp(join(tmpdir(), 'telemetry-demo-'));
  await mkdir(folder, { recursive: true });
  const config = join(folder, 'gateway.yaml');
  let gateway: DemoGateway | null = null;
  try {
    gateway = await startDemoGateway(options, folder, config);
    say(whereToLook(gateway, config, options, embedded));
    const before = await readAccount(gateway);
    const scenario = withOptions(
      plainScenario(),
      {
        url: `mqtt://127.0.0.1:${gateway.mqttPort}`,
        devices: options.devices,
        rate: options.readingsPerSecond,
        bad: BAD_SHARE,
        ...(seconds === null ? {} : { for: seconds * 1000 }),
      },
      true,
    );
    const summary = await run(
      { scenario, ledger: null, ports: null, version: options.version, display: null },
      signal,
    );
    const after = await readAccount(gateway);
    await gateway.stop();
    say(`\nThe fleet:\n${indent(describeSummary(summary))}`);
    const rows = embedded ? await embeddedRows(join(folder, 'data')) : null;
    return report(summary, before, after, rows, say);
  } finally {
    await gateway?.stop();
    if (seconds !== null) await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

type Totals = Awaited<ReturnType<typeof readAccount>>;

/** Prints the account and says whether it closes. The gateway may have had readings of others too (interactive). */
function report(
  summary: Summary,
  before: Totals,
  after: Totals,
  rows: number | null,
  say: (text: string) => void,
): boolean {
  const stored = after.stored - before.stored;
  const rejected = after.rejected - before.rejected;
  say(
    `\nThe account since the store was made:\n${indent(
      Object.entries(after)
        .map(([outcome, count]) => `${outcome.padEnd(10)} ${count}`)
        .join('\n'),
    )}`,
  );
  const problems: string[] = [];
  const kept = stored + rejected;
  if (kept < summary.acknowledged) {
    problems.push(
      `${summary.acknowledged} readings were acknowledged, but only ${kept} are stored or rejected`,
    );
  }
  if (rejected < summary.badAcknowledged) {
    problems.push(
      `${summary.badAcknowledged} bad readings were acknowledged, but only ${rejected} are kept as rejected`,
    );
  }
  if (summary.unacknowledged > 0) problems.push(`${summary.unacknowledged} readings were never acknowledged`);
  if (rows !== null && rows !== after.stored) {
    problems.push(`the account says ${after.stored} stored, but the embedded store holds ${rows} rows`);
  }
  if (problems.length > 0) {
    say(`\nThe account does NOT close:\n${indent(problems.join('\n'))}`);
    return false;
  }
  const where = rows === null ? '' : `, and the embedded store holds ${rows} rows`;
  say(
    `\nThe account closes: ${summary.acknowledged} acknowledged = ${stored} stored + ${rejected} rejected${where}.`,
  );
  return true;
}

function whereToLook(gateway: DemoGateway, config: string, options: DemoOptions, embedded: boolean): string {
  const http = `http://127.0.0.1:${gateway.httpPort}`;
  const command = `npm start -- COMMAND --config ${relative(options.home, config) || config}`;
  const lines = [
    `A gateway is running: MQTT on 127.0.0.1:${gateway.mqttPort}, HTTP on 127.0.0.1:${gateway.httpPort}.`,
    `${options.devices} simulated devices send ${options.readingsPerSecond} readings a second each; one in twenty is bad on purpose.`,
    '',
    `  ${http}/api/account     every reading in exactly one place`,
    `  ${http}/api/rejected    the bad ones, each with the reason`,
    `  ${http}/api/topics      what arrives`,
    `  ${http}/metrics         for Prometheus`,
  ];
  if (options.seconds === null) {
    lines.push(
      '',
      'In another terminal:',
      `  mosquitto_pub -p ${gateway.mqttPort} -q 1 -t sensors/greenhouse/environment -m '{"temperature": 21.5}'`,
      `  ${command.replace('COMMAND', 'account')}`,
      `  ${command.replace('COMMAND', 'rejected list')}`,
      `  ${command.replace('COMMAND', 'topics')}`,
      '',
      embedded
        ? `Readings are kept in ${join(relative(options.home, config), '..', 'data')}. Ctrl+C ends it.`
        : 'Ctrl+C ends it.',
    );
  }
  return lines.join('\n');
}

function indent(text: string): string {
  return text.replace(/^/gm, '  ');
}
