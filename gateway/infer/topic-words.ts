/** What the words of topics usually mean. Guesses: whoever reads a draft can say it better. */
import { isQuantityName, quantityOf } from './quantities.ts';

/** Levels that say what kind of message it is, not whose. */
const KIND_WORDS = new Set(
  [
    'sensor,sensors,binary_sensor,text_sensor,switch,light,climate,cover,fan,lock,number,select,button,event,update',
    'state,status,availability,available,online,lwt,result,info,info1,info2,info3,telemetry,tele,stat,cmnd,data,attributes',
    'attr,value,values,measurement,measurements,reading,readings,metrics,up,uplink,rx,tx,events,get,set,command,commands',
    'config,discovery,heartbeat,alive,connected,log,logging,debug,power,energy,environment,out,raw,json,emeter,relay,input',
  ]
    .join(',')
    .split(','),
);
/** Levels of things that an entity belongs to; the entity follows, and often `state` behind it. */
const COMPONENT_WORDS = new Set(
  'sensor,binary_sensor,text_sensor,switch,light,climate,cover,fan,lock,number,select,button'.split(','),
);
/** What follows such a level is one of them. */
const COLLECTION =
  /^(?:sensors|devices?|nodes?|things?|machines?|boards?|stations?|meters?|trackers?|gateways?|dev)$/i;
/** Names of a single value, though no physical quantity. */
const STATE_WORDS =
  /^(?:lwt|status|state|availability|available|online|power\d{0,2}|relay\d{0,2}|motion|contact|door|alarm|mode|uptime|heartbeat|connected|count|value)$/i;

export function isKindWord(level: string): boolean {
  return KIND_WORDS.has(level.toLowerCase());
}

export function isComponentWord(level: string): boolean {
  return COMPONENT_WORDS.has(level.toLowerCase());
}

export function isCollectionWord(level: string): boolean {
  return COLLECTION.test(level);
}

/** It names one value: a physical quantity, or a state. */
export function isValueWord(level: string): boolean {
  return STATE_WORDS.test(level) || (quantityOf(level) !== null && !isIdLike(level));
}

/** It is the name of a value and nothing else: no thing would be called so. */
export function isPlainValueWord(level: string): boolean {
  return STATE_WORDS.test(level) || isQuantityName(level);
}

/** The level that names the value of a topic, by a word that tells: `temperature` of `hall/oven/temperature`. */
export function namedValueLevel(levels: readonly string[]): number | null {
  const last = levels.length - 1;
  const isState = /^(?:state|value)$/i.test(levels[last] ?? '');
  // `kitchen/sensor/living_temperature/state`
  if (isState && last >= 2 && isComponentWord(levels[last - 2] ?? '')) return last - 1;
  if (isState && last >= 2 && isValueWord(levels[last - 1] ?? '')) return last - 1;
  for (let at = last; at >= 0; at -= 1) {
    // A first level is the name of a system, unless it is all there is besides the thing.
    if (at === 0 && levels.length > 2) return null;
    if (isValueWord(levels[at] ?? '')) return at;
  }
  return null;
}

/** A number, a serial number, a MAC address, a name with a number. */
export function isIdLike(level: string): boolean {
  return (
    /^\d+$/.test(level) ||
    /^(?=.*\d)[0-9a-f]{6,}$/i.test(level) ||
    /^(?:0x)?[0-9a-f]{2}(?:[:_-][0-9a-f]{2}){3,}$/i.test(level) ||
    /^0x[0-9a-f]+$/i.test(level) ||
    /[\p{L}][-_ .]?\d{1,}$/u.test(level) ||
    /[-_][0-9a-f]{4,}$/i.test(level)
  );
}

/** A serial number, an address: no other thing anywhere has it. */
export function isSerial(level: string): boolean {
  return (
    /^!?(?=.*\d)[0-9a-f]{6,}$/i.test(level) ||
    /^(?:0x)?[0-9a-f]{2}(?:[:_-][0-9a-f]{2}){3,}$/i.test(level) ||
    /^0x[0-9a-f]{6,}$/i.test(level)
  );
}

/** The same for names that differ in their numbers alone: `press1`, `press12`. */
export function skeletonOf(level: string): string {
  return level.replace(/\d+/g, '0');
}

/** `sites` → `site`, as the name of a capture; null where the word makes none. */
export function captureNameFrom(word: string): string | null {
  const single = word
    .replace(/ies$/i, 'y')
    .replace(/(?<![su])s$/i, '')
    .toLowerCase();
  const name = single.replace(/[^a-z0-9_]+/g, '_').replace(/^_+|_+$/g, '');
  return /^[a-z_][a-z0-9_]{0,30}$/.test(name) && name !== 'device' && name !== 'field' ? name : null;
}

const NOT_READINGS: readonly (readonly [RegExp, string])[] = [
  [/^homeassistant\/.*\/config$/, 'discovery messages of Home Assistant: configuration, not readings'],
  [/^tasmota\/discovery\//, 'discovery messages of Tasmota: configuration, not readings'],
  [/(?:^|\/)cmnd(?:\/|$)/, 'commands to devices, not readings'],
  // Of a Shelly, `rpc` carries commands, and `events/rpc` readings.
  [/(?:\/(?:set|get|command|cmd)|(?<!\/events)\/rpc)(?:\/[^/]+)?$/, 'commands to devices, not readings'],
  [/^zigbee2mqtt\/bridge(?:\/|$)/, 'Zigbee2MQTT about itself, not readings'],
  [/^\$SYS\//, 'the broker about itself'],
  [/\/\$[^/]/, 'what things are called and made of (a level begins with $, as in Homie), not readings'],
  [/^gateway\//, 'receipts and states of a gateway like this one'],
  [/\/(?:debug|log|logging)$/, 'log lines, not readings'],
];

/** In words why a topic carries no readings; null where it may. */
export function whyNoReadings(topic: string): string | null {
  return NOT_READINGS.find(([pattern]) => pattern.test(topic))?.[1] ?? null;
}
