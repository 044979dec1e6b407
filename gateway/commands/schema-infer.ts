import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { topicNameProblem, withoutShare } from '../broker-link/topic-filter.ts';
import { systemClock } from '../clocks/clock.ts';
import { systemWords } from '../config/system-words.ts';
import { GatewayError } from '../errors.ts';
import { formatProblem } from '../formats/formats.ts';
import { inferSchemas } from '../infer/infer-schemas.ts';
import { Traffic } from '../infer/traffic.ts';
import { printable } from '../printable.ts';
import type { LiveReport } from '../trial/live-report.ts';
import { TrialTally } from '../trial/trial-tally.ts';
import type { CommandIo } from './command-io.ts';
import type { CommandParts } from './command-parts.ts';
import { type CommonOptions, configOf, withCommonOptions, writeAnswer } from './common-options.ts';
import { familyJson, familyText, savedText, unsavedText } from './family-text.ts';
import { causesText, schemasText } from './live-text.ts';
import { readSamples } from './sample-file.ts';
import { makeDraftFolder, saveDrafts } from './save-drafts.ts';
import { namesInForce, textsInForce, zoneOfMachine } from './schemas-in-force.ts';
import { count } from './wording.ts';

interface InferOptions extends CommonOptions {
  readonly topic?: string;
  readonly save?: string;
}

const MAX_FILE_BYTES = 64 * 1024 * 1024;

/** `schema`, with what it can do. Ends with 1 where a draft was wanted and none could be made: `fail` is called then. */
export function schemaCommand(io: CommandIo, parts: CommandParts, fail: () => void): Command {
  return new Command('schema')
    .description('reading schemas: draft one from samples')
    .addCommand(inferCommand(io, parts, fail));
}

function inferCommand(io: CommandIo, parts: CommandParts, fail: () => void): Command {
  return withCommonOptions(new Command('infer'))
    .description(
      'draft schemas from samples: what mosquitto_sub -v prints, JSON lines, or payloads of one topic; says which topics a schema has already',
    )
    .argument('<file...>', 'files of samples; - is standard input')
    .option('-t, --topic <topic>', 'the files hold payloads of this topic alone')
    .option('--save <folder>', 'write the drafts there; a file that is there stays as it is')
    .action(async (files: readonly string[], options: InferOptions) => {
      const wrong = options.topic === undefined ? null : problemOfTopic(options.topic);
      if (wrong !== null) throw new GatewayError('usage', `--topic ${options.topic ?? ''}: ${wrong}`);
      const config = configOf(options, io);
      // That nothing can be written there is told now, not when the samples are read.
      if (options.save !== undefined) makeDraftFolder(options.save, io.cwd);
      const loaded = parts.loadReadings(config);
      const formats = parts.createFormats(config);
      const { payloadBytes: maxPayloadBytes } = config.limits;
      // Of topics that a schema has: what it makes of them. There is nothing to draft for these.
      const taken = new TrialTally(loaded.readings, { formats, clock: systemClock, maxPayloadBytes });
      const traffic = new Traffic();
      let messages = 0;
      const broken = loaded.problems.length;
      const problems =
        broken === 0 ? [] : [`${broken} problem(s) in ${config.schemasDir}: \`check\` tells them`];
      for (const file of files) {
        const samples = readSamples(await textOf(file, io), { file, topic: options.topic ?? null });
        problems.push(...samples.problems);
        messages += samples.messages.length;
        for (const message of samples.messages)
          if (taken.isRouted(message.topic)) taken.take(message);
          else traffic.add(message);
      }
      const schemasInForce = textsInForce(loaded);
      const families = inferSchemas(traffic.topics(), {
        ...{ formats, formatProblem, schemasInForce, clock: systemClock },
        zoneOf: zoneOfMachine,
        takenNames: namesInForce(schemasInForce),
      });
      const drafts = families.filter(({ draft }) => draft !== null).length;
      const saved = options.save === undefined ? null : saveDrafts(families, options.save, io.cwd);
      const answer = {
        messages,
        problems: [...problems, ...traffic.reached()],
        ...{ schemas: taken.schemas(), rejected: taken.rejected, causes: taken.causes() },
      };
      if (options.json === true)
        writeAnswer(
          io,
          options,
          { ...answer, families: families.map(familyJson), saved: saved ?? [] },
          String,
        );
      else {
        io.write(`${count(answer.messages)} ${answer.messages === 1 ? 'sample' : 'samples'}\n`);
        for (const problem of answer.problems) io.write(`WARNING: ${printable(problem, 300)}\n`);
        if (taken.traffic.messages > 0) io.write(takenText(answer, families.length === 0));
        io.write('\n');
        for (const family of families) io.write(familyText(family, null));
        // Where it is not saved, a single draft is what was asked for.
        const [only] = drafts === 1 && saved === null ? families.flatMap(({ draft }) => draft ?? []) : [];
        io.write(only === undefined ? savedText(saved, drafts) : `\n${only.text}`);
      }
      const unsaved = unsavedText(saved, options.save);
      if (unsaved !== null && options.json !== true) io.writeError(unsaved);
      const nothingWanted = families.length === 0 && taken.traffic.messages > 0;
      if ((drafts === 0 && !nothingWanted) || unsaved !== null) fail();
    });
}

/** Of topics that are claimed already. `all`: there are no others. */
function takenText(answer: Pick<LiveReport, 'schemas' | 'causes' | 'rejected'>, all: boolean): string {
  const whose = all ? 'all these topics' : 'some of these topics';
  const whatNow =
    answer.rejected === 0
      ? 'nothing to do for them'
      : 'no draft for them: mend the schema, or what they send';
  return `\nyour schemas have ${whose} already: ${whatNow}\n${schemasText(answer)}${causesText(answer)}`;
}

function problemOfTopic(topic: string): string | null {
  if (/^\$share(?:\/|$)/.test(topic)) {
    const { filter, share } = withoutShare(topic);
    return `is a subscription, and no topic${share === null ? '' : `; what comes over it has topics such as ${filter}`}`;
  }
  return topicNameProblem(topic);
}

async function textOf(file: string, io: CommandIo): Promise<string> {
  if (file === '-') return ((await io.readInput(MAX_FILE_BYTES)) ?? Buffer.alloc(0)).toString('utf8');
  let bytes: Buffer;
  try {
    bytes = readFileSync(resolve(io.cwd, file));
  } catch (error) {
    throw new GatewayError('not-found', `${file} cannot be read: ${systemWords(error)}`, { cause: error });
  }
  if (bytes.length > MAX_FILE_BYTES)
    throw new GatewayError(
      'usage',
      `${file} is larger than 64 MiB; a part of it is enough: head -n 50000 ${file} | telemetry-gateway schema infer -`,
    );
  return bytes.toString('utf8');
}
