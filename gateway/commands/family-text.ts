import { messagesOf, type TopicFamily } from '../infer/infer-schemas.ts';
import { printable, printableBytes } from '../printable.ts';
import { topicJson } from '../trial/live-report.ts';
import type { SavedDraft } from './save-drafts.ts';
import { bytes, count } from './wording.ts';

const MAX_TOPICS = 3;
const MAX_SHOWN = 72;
const MAX_NOTES = 12;
const MAX_NOTE = 400;
const MAX_CAUSES = 3;

/** A family of topics, and what is drafted for it. `seconds`: how long was listened; null where nobody knows. */
export function familyText(family: TopicFamily, seconds: number | null): string {
  const { pattern, topics, draft, trial, why, warning } = family;
  const messages = messagesOf(family);
  const size = topics.reduce((sum, each) => sum + each.bytes, 0);
  const retained = topics.reduce((sum, each) => sum + each.retained, 0);
  const rate = seconds === null || seconds === 0 ? '' : `, ${rateText((messages - retained) / seconds)}`;
  const kept = retained === 0 ? '' : `, ${count(retained)} of them retained`;
  const examples = topics.slice(0, MAX_TOPICS).map(({ topic, samples }) => {
    const [first] = samples;
    const payload = first === undefined ? '' : `  ${printableBytes(first.payload, MAX_SHOWN)}`;
    return `    ${printable(topic, MAX_SHOWN)}${payload}\n`;
  });
  if (topics.length > MAX_TOPICS) examples.push(`    … and ${count(topics.length - MAX_TOPICS)} more\n`);
  const head = `${printable(pattern, 128)}: ${count(topics.length)} ${topics.length === 1 ? 'topic' : 'topics'}, ${count(messages)} ${messages === 1 ? 'message' : 'messages'}${kept}, ${bytes(size)}${rate}\n`;
  if (draft === null || trial === null)
    return `${head}${examples.join('')}    no draft: ${printable(why ?? '', MAX_NOTE)}\n`;
  const lines = [
    head,
    ...examples,
    `    draft ${draft.id}: ${trialText(trial, topics.length)}${warning === null ? '' : `, but ${printable(warning, MAX_NOTE)}`}\n`,
  ];
  for (const { count: n, topic, payload, why: cause } of trial.exceptions.slice(0, MAX_CAUSES))
    lines.push(
      `      rejected ${count(n)} ×, such as ${printable(topic, MAX_SHOWN)} ${printableBytes(payload, MAX_SHOWN)}\n        ${printable(cause, 240)}\n`,
    );
  if (trial.exceptions.length > MAX_CAUSES) lines.push('      … and for other causes; --json tells them\n');
  for (const note of draft.notes.slice(0, MAX_NOTES))
    lines.push(`      note: ${printable(note, MAX_NOTE)}\n`);
  return lines.join('');
}

function trialText(trial: NonNullable<TopicFamily['trial']>, ownTopics: number): string {
  const { problems, matchedTopics, samples, accepted, withoutValue, repeats, series } = trial;
  const [problem] = problems;
  if (problem !== undefined) return `cannot be used beside your schemas: ${printable(problem, 300)}`;
  const without = withoutValue === 0 ? '' : ` (${count(withoutValue)} that say there is no value)`;
  // Other families' topics are among those that a pattern matches, and its own may be another's.
  const of =
    matchedTopics === ownTopics
      ? ''
      : ` of the ${matchedTopics === 1 ? 'one topic' : `${count(matchedTopics)} topics`} that its pattern matches`;
  const all = samples === 1 ? 'takes the one sample' : `takes all ${count(samples)} samples`;
  const took = `${accepted === samples ? all : `takes ${count(accepted)} of ${count(samples)} samples`}${of}${without}`;
  const again = repeats === 0 ? '' : `, ${count(repeats)} of them as repeats of what came before`;
  return `${took}${again}, ${count(series)} series`;
}

/** `12/s`, `3/min`, `0.5/h` */
function rateText(perSecond: number): string {
  if (perSecond >= 1) return `${count(Math.round(perSecond))}/s`;
  if (perSecond * 60 >= 1) return `${Math.round(perSecond * 60)}/min`;
  return `${Math.round(perSecond * 36_000) / 10}/h`;
}

/** A family for `--json`. */
export function familyJson({
  pattern,
  topics,
  draft,
  trial,
  why,
  warning,
}: TopicFamily): Readonly<Record<string, unknown>> {
  return {
    pattern,
    topics: topics.map(topicJson),
    why,
    warning,
    draft:
      draft === null
        ? null
        : {
            id: draft.id,
            notes: draft.notes,
            schema: JSON.parse(draft.text),
            ...trial,
            exceptions: trial?.exceptions.map(({ payload, ...rest }) => ({
              ...rest,
              payload: printableBytes(payload, 1024),
            })),
          },
  };
}

/** What `--save` has done. */
export function savedText(saved: readonly SavedDraft[] | null, drafts: number): string {
  if (saved === null)
    return drafts === 0
      ? ''
      : `\n--save FOLDER writes ${drafts === 1 ? 'the draft' : `the ${count(drafts)} drafts`}; read them before you use them.\n`;
  return saved
    .map(({ file, kept, problem }) => {
      if (problem !== null) return `FAILED ${file}: ${printable(problem, 300)}\n`;
      return kept ? `kept   ${file}: it is there already\n` : `wrote  ${file}\n`;
    })
    .join('');
}

/** Why not all could be written, for standard error; null where nothing failed. */
export function unsavedText(saved: readonly SavedDraft[] | null, folder: string | undefined): string | null {
  const failed = (saved ?? []).filter(({ problem }) => problem !== null);
  const [first] = failed;
  return first === undefined
    ? null
    : `telemetry-gateway: --save ${printable(folder ?? '')}: ${count(failed.length)} of ${count(saved?.length ?? 0)} drafts could not be written: ${printable(first.problem ?? '', 300)}\n`;
}
