/** Lines around a change that are shown with it. */
const CONTEXT = 2;
/** Beyond this many pairs of lines it is not worked out what stayed in the middle. */
const MAX_PAIRS = 1_000_000;
const MAX_LINES = 200;

interface Step {
  readonly sign: ' ' | '-' | '+';
  readonly line: string;
}

/** What differs between two texts, line by line: `- ` was, `+ ` is, with two lines around each change. */
export function lineDiff(before: string, after: string): readonly string[] {
  const a = before.split('\n');
  const b = after.split('\n');
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail += 1;
  const same = (line: string): Step => ({ sign: ' ', line });
  const steps = [
    ...a.slice(0, head).map(same),
    ...middle(a.slice(head, a.length - tail), b.slice(head, b.length - tail)),
    ...a.slice(a.length - tail).map(same),
  ];
  return shown(steps);
}

/** By the longest common subsequence. */
function middle(a: readonly string[], b: readonly string[]): readonly Step[] {
  const removed = (line: string): Step => ({ sign: '-', line });
  const added = (line: string): Step => ({ sign: '+', line });
  if (a.length * b.length > MAX_PAIRS) return [...a.map(removed), ...b.map(added)];
  const width = b.length + 1;
  const lengths = new Uint32Array((a.length + 1) * width);
  const at = (i: number, j: number): number => lengths[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i -= 1)
    for (let j = b.length - 1; j >= 0; j -= 1)
      lengths[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  const steps: Step[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const [was, is] = [a[i], b[j]];
    if (was !== undefined && was === is) {
      steps.push({ sign: ' ', line: was });
      i += 1;
      j += 1;
    } else if (was !== undefined && (is === undefined || at(i + 1, j) >= at(i, j + 1))) {
      steps.push(removed(was));
      i += 1;
    } else if (is !== undefined) {
      steps.push(added(is));
      j += 1;
    }
  }
  return steps;
}

function shown(steps: readonly Step[]): readonly string[] {
  const near = new Set<number>();
  for (const [i, { sign }] of steps.entries())
    if (sign !== ' ') for (let k = i - CONTEXT; k <= i + CONTEXT; k += 1) near.add(k);
  const lines: string[] = [];
  let isGap = false;
  for (const [i, { sign, line }] of steps.entries()) {
    if (lines.length >= MAX_LINES) return [...lines, '…'];
    if (near.has(i)) lines.push(`${sign} ${line}`.trimEnd());
    else if (!isGap && lines.length > 0) lines.push('…');
    isGap = !near.has(i);
  }
  return lines.at(-1) === '…' ? lines.slice(0, -1) : lines;
}
