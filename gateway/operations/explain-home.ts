import type { Reading, RepeatsToldBy, Route } from '../contracts.ts';
import { type Homes, needsHome } from '../ingest/homes.ts';
import type { ExplainedHome } from '../operations-contract.ts';

const WHY: Readonly<Record<RepeatsToldBy, string>> = {
  identity: 'a repeat is told by its identity, which only the gateway knows that has the first',
  'judged-time':
    'its time is judged by what is known of the clock of its device, so a repeat is told only where the first is',
  'own-time': 'it has a time of its own, and comes out as the same point whichever gateway stores it',
  nothing: 'it has neither an identity nor a time of its own, so no gateway could tell a repeat of it',
};
const WHY_REJECTED = 'what is rejected is kept by its home, so that a replay there finds all repeats';
const WHY_TOO_LARGE = 'what is too large may be so for the way there';

/**
 * Where a topic is at home, and whether what comes over a shared subscription is passed on to there.
 *
 * @param readings those that it would hold; null: there is no payload to tell
 */
export function explainHome(
  topic: string,
  route: Route | null,
  readings: readonly Reading[] | null,
  homes: Pick<Homes, 'name' | 'memberOf'>,
): ExplainedHome {
  const gateway = homes.memberOf(topic);
  const isHere = gateway === homes.name;
  if (isHere) return { gateway, isHere, passedOn: false, why: 'this gateway is its home' };
  return { gateway, isHere, ...(readings === null ? bySchema(route) : byReadings(route, readings)) };
}

type Verdict = Pick<ExplainedHome, 'passedOn' | 'why'>;

/** Of a message that is read. One of its readings that has to go home takes all of them there. */
function byReadings(route: Route | null, readings: readonly Reading[]): Verdict {
  const first = readings.find(needsHome);
  if (first?.kind === 'bad') return { passedOn: true, why: WHY_REJECTED };
  if (first?.kind === 'point') {
    const toldBy = route?.repeatsToldBy[route.schemas.indexOf(first.schema)];
    return { passedOn: true, why: WHY[toldBy ?? 'identity'] };
  }
  if (readings.some(({ kind }) => kind === 'bad')) return { passedOn: false, why: WHY_TOO_LARGE };
  const isSame = readings.every((reading) => reading.kind === 'point' && reading.isSameAnywhere);
  return { passedOn: false, why: WHY[isSame ? 'own-time' : 'nothing'] };
}

/** Of a message under these schemas, if it is valid, and has what they ask for. */
function bySchema(route: Route | null): Verdict {
  const [first, ...others] = route?.repeatsToldBy ?? [];
  if (first === undefined) return { passedOn: false, why: 'no schema claims this topic' };
  const passedOn = goesHome(first);
  if (others.some((each) => goesHome(each) !== passedOn))
    return { passedOn: null, why: 'under one of its schemas it is passed on, under another it is not' };
  return { passedOn, why: WHY[first] };
}

function goesHome(toldBy: RepeatsToldBy): boolean {
  return toldBy === 'identity' || toldBy === 'judged-time';
}
