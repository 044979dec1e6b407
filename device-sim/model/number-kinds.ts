/** How numbers go that are called so, or have such a unit. */
import type { Random } from '../random.ts';
import type { NumberGrid } from './number-grid.ts';
import { type Moment, type World, walk } from './world.ts';

export type NumberKind =
  | 'counter'
  | 'uptime'
  | 'meter'
  | 'temperature'
  | 'humidity'
  | 'dew-point'
  | 'daylight'
  | 'load'
  | 'power'
  | 'mains'
  | 'battery'
  | 'battery-voltage'
  | 'dust'
  | 'machine'
  | 'peak'
  | 'flow'
  | 'angle'
  | 'track'
  | 'walk';

interface Usual {
  readonly center: number;
  readonly spread: number;
}

interface Entry {
  readonly kind: NumberKind;
  readonly names: RegExp;
  readonly units: readonly string[];
  /** Where neither examples nor limits tell. */
  readonly usual: Usual;
}

/** The first that fits counts: by name, then by unit. */
const ENTRIES: readonly Entry[] = [
  entry('counter', /^(seq|sequence|counter|count|msg_?id|packet|frame|index)$/, [], 0, 1),
  entry('uptime', /uptime|since_start|running_time/, [], 3600, 600),
  entry('battery-voltage', /batt\w*_?v|vbat|vcc/, [], 3.9, 0.2),
  entry('battery', /batter|bat_|charge|soc$/, ['%EL'], 80, 15),
  entry('dew-point', /dew/, [], 10, 3),
  entry('humidity', /humid|^rh$|^hum$/, ['%RH'], 48, 10),
  entry('temperature', /temp|^t$|^t\d$/, ['Cel', 'K', '[degF]'], 21, 4),
  entry('meter', /energy|volume|mileage|odometer|total|_import|_export/, ['Wh', 'kWh', 'm3', 'l'], 1000, 10),
  entry('power', /^(p|power|active_power|apparent_power)$/, ['W', 'kW', 'VA'], 800, 400),
  entry('mains', /volt|^u$|^v$|frequency/, ['V', 'Hz'], 230, 2),
  entry('load', /current|^i$|amp|load/, ['A'], 4, 3),
  entry('daylight', /light|lux|irradiance|solar|^uv/, ['lx', 'W/m2'], 400, 400),
  entry('dust', /^pm|dust|particul/, ['ug/m3'], 8, 5),
  entry('peak', /peak|crest/, [], 5, 2),
  entry('machine', /rpm|rms|vibration|accel/, ['mm/s', '/min', 'm/s2'], 3, 1),
  entry('flow', /flow/, ['l/min', 'm3/h'], 10, 6),
  entry('angle', /heading|direction|bearing|azimuth/, ['deg'], 180, 60),
  entry('track', /^(lat|lon|lng|latitude|longitude)$/, ['lat', 'lon'], 50, 0.05),
  entry('walk', /pressure/, ['hPa'], 1013, 8),
  entry('walk', /rssi|snr|signal/, ['dBm', 'dB'], -70, 8),
  entry('walk', /co2/, ['ppm'], 650, 150),
];

function entry(
  kind: NumberKind,
  names: RegExp,
  units: readonly string[],
  center: number,
  spread: number,
): Entry {
  return { kind, names, units, usual: { center, spread } };
}

/** What a number is taken for; `usual` is null where nothing is known of it. */
export function numberKind(
  name: string,
  unit: string,
): { readonly kind: NumberKind; readonly usual: Usual | null } {
  const lower = name.toLowerCase();
  const known =
    ENTRIES.find(({ names }) => names.test(lower)) ??
    ENTRIES.find(({ units }) => unit !== '' && units.includes(unit));
  // A pressure in bar is none of the weather's.
  const isUsual =
    known !== undefined && (unit === '' || known.units.length === 0 || known.units.includes(unit));
  return { kind: known?.kind ?? 'walk', usual: isUsual ? known.usual : null };
}

/** What is known of a number before any device is made; shared by all. */
export interface NumberSpec {
  readonly name: string;
  readonly kind: NumberKind;
  readonly center: number;
  readonly spread: number;
  readonly grid: NumberGrid;
  readonly links: NumberLinks;
}

/** Places of the numbers beside it, among those of a device, that it follows; -1: there is none. */
export interface NumberLinks {
  readonly temperature: number;
  readonly humidity: number;
  readonly voltage: number;
  readonly current: number;
  readonly factor: number;
  /** Power, or a flow. */
  readonly rate: number;
  readonly charge: number;
  readonly rms: number;
}

/** The links of one number among those of its object. */
export function numberLinks(
  name: string,
  beside: readonly { readonly name: string; readonly kind: NumberKind; readonly place: number }[],
): NumberLinks {
  const others = beside.filter((other) => other.name !== name);
  const ofKind = (kind: NumberKind): number => others.find((other) => other.kind === kind)?.place ?? -1;
  const named = (names: RegExp): number => others.find((other) => names.test(other.name))?.place ?? -1;
  const power = ofKind('power');
  return {
    temperature: ofKind('temperature'),
    humidity: ofKind('humidity'),
    voltage: named(/volt|^u$/),
    current: ofKind('load'),
    factor: named(/factor|^pf$/),
    rate: power >= 0 ? power : ofKind('flow'),
    charge: ofKind('battery'),
    rms: named(/rms/),
  };
}

/** One number of one device, from reading to reading. */
export class NumberCell {
  readonly spec: NumberSpec;
  /** What sets it apart from that of other devices. */
  private readonly own: number;
  private wander: number;
  /** A total, an angle, a place, or how long a flow lasts. */
  private state: number;
  private speed = 0;
  private at = -1;
  private last: number | null = null;
  private isBusy: boolean = false;

  constructor(spec: NumberSpec, random: Random) {
    const { kind, center, spread } = spec;
    this.spec = spec;
    this.own = random.noise() * 0.5;
    this.wander = random.noise() * 0.5;
    const isTotal = kind === 'meter' || kind === 'uptime';
    const near = kind === 'angle' ? spread : kind === 'track' ? 0.02 : 0;
    this.state = kind === 'flow' ? 0 : isTotal ? center * (0.5 + random.next()) : center + near * this.own;
  }

  /** The value of a moment; asked for twice it is the same. `cells` are all numbers of the device. */
  value(moment: Moment, world: World, random: Random, cells: readonly NumberCell[]): number {
    const { spec, last } = this;
    // Two that follow one another: the second asked takes what was before.
    if (last !== null && (this.at === moment.n || this.isBusy)) return last;
    if (this.isBusy) return spec.center;
    if (moment.isStuck && last !== null && spec.kind !== 'counter' && spec.kind !== 'uptime') return last;
    this.isBusy = true;
    const value = spec.grid.snap(this.raw(moment, world, random, cells));
    this.isBusy = false;
    this.at = moment.n;
    this.last = value;
    return value;
  }

  /** Not yet held to limits and steps. */
  private raw(moment: Moment, world: World, random: Random, cells: readonly NumberCell[]): number {
    const { spec, own } = this;
    const { kind, center, spread, links, grid } = spec;
    const beside = (place: number): number | null =>
      cells[place]?.value(moment, world, random, cells) ?? null;
    switch (kind) {
      case 'counter':
        return counted(moment.n, grid.lowest, grid.highest);
      case 'uptime':
        return this.state + moment.seconds;
      case 'meter': {
        const rate = beside(links.rate) ?? Math.abs(spread);
        // What goes out is counted apart.
        const direction = /export|reverse|return/i.test(spec.name) ? -1 : 1;
        this.state += Math.max(0, direction * rate) * (moment.elapsed / 3600) * (0.99 + 0.02 * random.next());
        return this.state;
      }
      case 'temperature':
        return center + spread * (world.heat + own * 0.6 + 0.3 * this.step(0.1, 0.05, random));
      case 'humidity':
        return center - spread * (0.9 * world.heat + own * 0.4 + 0.3 * this.step(0.1, 0.08, random));
      case 'dew-point': {
        const temperature = beside(links.temperature);
        const humidity = beside(links.humidity);
        // Within a degree of the exact formula where it is not dry.
        if (temperature !== null && humidity !== null) return temperature - (100 - humidity) / 5;
        return this.noisy(random);
      }
      case 'daylight':
        return (center + spread) * world.sun * (1 + 0.05 * random.noise());
      case 'load': {
        const busy = world.activity * 0.7 + this.step(0.2, 0.15, random);
        return center + spread * busy * (world.isRunning ? 1 : 0.2);
      }
      case 'power': {
        const current = beside(links.current);
        const voltage = beside(links.voltage);
        if (current !== null && voltage !== null) return current * voltage * (beside(links.factor) ?? 1);
        return center + spread * (world.activity * 0.6 + this.step(0.2, 0.15, random));
      }
      case 'mains':
        return center + spread * 0.4 * (this.step(0.1, 0.15, random) - world.activity * 0.5);
      case 'battery':
        return center + spread * 0.3 * own - (moment.seconds / 3600) * 0.2 + 0.05 * random.noise();
      case 'battery-voltage': {
        const charge = beside(links.charge);
        if (charge !== null) return center + ((charge - 80) / 100) * spread * 3;
        return center + spread * 0.1 * this.step(0.02, 0.05, random);
      }
      case 'dust':
        // Finer dust is part of the coarser: one state, and each size has its share.
        return center * (0.8 + 0.05 * own) * (0.3 + 1.4 * world.dust) * (1 + 0.01 * random.noise());
      case 'machine':
        if (world.isRunning) return this.noisy(random);
        return center * 0.03 + spread * 0.02 * Math.abs(random.noise());
      case 'peak': {
        const rms = beside(links.rms);
        return rms === null ? this.noisy(random) : rms * (2.8 + 0.3 * random.noise());
      }
      case 'flow':
        if (this.state === 0 && random.next() < 0.1 + 0.1 * Math.max(0, world.activity)) {
          this.state = 3 + random.below(20);
        }
        if (this.state === 0) return 0;
        this.state -= 1;
        return this.noisy(random);
      case 'angle': {
        this.state += 4 * random.noise();
        const turn = Number.isFinite(grid.highest - grid.lowest) ? grid.highest - grid.lowest : 360;
        const from = Number.isFinite(grid.lowest) ? grid.lowest : 0;
        const turned = (this.state - from) / turn;
        return from + (turned - Math.floor(turned)) * turn;
      }
      case 'track':
        this.speed = walk(this.speed, 0.1, 0.000_02, random);
        this.state += this.speed * Math.min(moment.elapsed, 60);
        return this.state;
      case 'walk':
        return this.noisy(random);
    }
  }

  private step(pull: number, push: number, random: Random): number {
    this.wander = walk(this.wander, pull, push, random);
    return this.wander;
  }

  private noisy(random: Random): number {
    return this.spec.center + this.spec.spread * this.step(0.05, 0.15, random);
  }
}

function counted(n: number, lowest: number, highest: number): number {
  const from = Number.isFinite(lowest) ? lowest : 0;
  const size = highest - from + 1;
  return Number.isFinite(size) && size > 0 ? from + (n % size) : from + n;
}
