import { wordsOf } from './quantities.ts';
import type { NumberUnit } from './told-times.ts';

/** What the name of a property says of a time in it. */
export interface TimeName {
  /** The moment of the measurement comes first, then that of the message, then when a network got it. */
  readonly rank: 0 | 1 | 2;
  /** A name of other things too: what is no time there is passed over without a word. */
  readonly isAmbiguous: boolean;
  /** Rather something else: a time only where it follows the arrival. */
  readonly isWeak: boolean;
  /** The unit it is called by; null: none. */
  readonly unit: NumberUnit | null;
}

const MEASURED =
  /^(?:time|ts|tst|tmst|t|dt|bt|date|timestamp|epoch|unix(?:time(?:stamp)?)?|datetime|lastseen|at|utc|zeit(?:stempel)?|(?:measured|sampled|recorded|observed|acquired|taken|captured)at)$/;
/** As SensorThings, gateways and loggers call it; each may be how long that takes, too. */
const TIME_OF =
  /^(?:phenomenon|event|sample|sampling|measure|measured|measurement|observation|observed|reading|record|recorded|device|sensor|gps)(?:time|ts|timestamp)$/;
const MADE =
  /^(?:(?:created|sent|reported|published|generated|issued)(?:at|on|time)?|(?:result|creation|send|report)time)$/;
const RECEIVED = /^(?:received|rx)(?:at|time)$/;
const AMBIGUOUS = /^(?:t|at|utc|time|tmst|dt|bt|date|created|sent|reported|published|generated|issued)$/;
/** A counter of a concentrator, a step of time, a voltage, a day, a number of messages. */
const WEAK = /^(?:tmst|dt|bt|date|created|sent|reported|published|generated|issued)$/;
const UNITS: ReadonlyMap<string, NumberUnit | null> = new Map([
  ['ms', 'ms'],
  ['us', 'us'],
  ['ns', 'ns'],
  ['s', 's'],
  ['sec', 's'],
  ['utc', null],
]);

/** Null where it is not the name of a time. */
export function timeName(name: string): TimeName | null {
  const words = wordsOf(name).split(' ');
  const last = words.at(-1) ?? '';
  const plain = words.join('');
  if (words.length > 1 && UNITS.has(last))
    return called(words.slice(0, -1).join(''), UNITS.get(last) ?? null) ?? called(plain, null);
  const [, stem, unit = ''] = /^(t|ts|time|timestamp|epoch|unix(?:time)?)(ms|us|ns|utc)$/.exec(plain) ?? [];
  return stem === undefined ? called(plain, null) : called(stem, UNITS.get(unit) ?? null);
}

function called(plain: string, unit: NumberUnit | null): TimeName | null {
  const rank =
    MEASURED.test(plain) || TIME_OF.test(plain) ? 0 : MADE.test(plain) ? 1 : RECEIVED.test(plain) ? 2 : null;
  if (rank === null) return null;
  // A unit in the name makes a time of it.
  const isAmbiguous = unit === null && (AMBIGUOUS.test(plain) || TIME_OF.test(plain));
  return { rank, isAmbiguous, isWeak: WEAK.test(plain), unit };
}
