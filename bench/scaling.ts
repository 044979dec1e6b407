/**
 * `npm run bench:scaling`: how the gateway bears more connections, larger payloads, more schemas and a backlog.
 * Writes tables and plots to bench/README.md and bench/plots. `-- --only payload,drain` for some of it. `-- --quick` takes
 * a short look, `-- --no-write` a long one: then the plots go to a temporary folder, and no table is written.
 */
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { REPOSITORY } from '../test/support/gateway-process.ts';
import { endAndClean } from './clean.ts';
import { drainWithLiveLoad } from './drain-run.ts';
import { writePlot } from './plots.ts';
import { progress } from './progress.ts';
import { machineLine, replaceBetweenMarkers } from './report.ts';
import { measureConnections } from './scaling/connections.ts';
import { connectionsReport } from './scaling/connections-report.ts';
import { drainReport } from './scaling/drain-report.ts';
import { measurePayloads } from './scaling/payload.ts';
import { payloadReport } from './scaling/payload-report.ts';
import { chosenSections, fullPlan, quickPlan, type SectionName } from './scaling/scaling-plan.ts';
import { type ScalingReport, sectionText } from './scaling/scaling-report.ts';
import { measureSchemas } from './scaling/schemas.ts';
import { schemasReport } from './scaling/schemas-report.ts';

const { values } = parseArgs({
  allowNegative: true,
  options: {
    /** connections, payload, schemas, drain; comma-separated. */
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    /** Waiting when InfluxDB comes back. */
    points: { type: 'string' },
    write: { type: 'boolean', default: true },
  },
});

const plan = values.quick ? quickPlan() : fullPlan();
const points = Number(values.points ?? plan.drain.points);

const MEASURE: Readonly<Record<SectionName, () => Promise<ScalingReport>>> = {
  connections: async () => {
    const { steps, beside } = plan.connections;
    return connectionsReport(await measureConnections(steps, beside));
  },
  payload: async () => payloadReport(await measurePayloads(plan.payload.sizes, plan.payload.seconds)),
  schemas: async () => {
    const { counts, topics, seconds } = plan.schemas;
    return schemasReport(await measureSchemas(counts, topics, seconds));
  },
  drain: async () => drainReport(await drainWithLiveLoad({ ...plan.drain, points })),
};

async function main(): Promise<void> {
  const sections = chosenSections(values.only);
  if (!Number.isSafeInteger(points) || points < 1) throw new Error('--points: a whole number from 1');
  // A short look is nothing to publish.
  const publish = values.write && !values.quick;
  const folder = publish
    ? join(REPOSITORY, 'bench', 'plots')
    : mkdtempSync(join(tmpdir(), 'telemetry-plots-'));
  mkdirSync(folder, { recursive: true });
  for (const name of sections) {
    try {
      const report = await MEASURE[name]();
      const text = sectionText(machineLine(new Date()), report);
      process.stdout.write(`${text}\n\n`);
      for (const { file, plot } of report.plots) writePlot(join(folder, file), plot);
      if (publish) replaceBetweenMarkers(join(REPOSITORY, 'bench', 'README.md'), `scaling-${name}`, text);
    } catch (error) {
      // The others are worth their time all the same.
      progress(`${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      process.exitCode = 1;
    } finally {
      await endAndClean();
    }
  }
  progress(`plots: ${folder}`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`bench:scaling: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
