import type { ModelDevice, PayloadFault, PlannedReading } from '../contracts.ts';
import type { Random } from '../random.ts';
import {
  type Addressed,
  addressesOf,
  type DeviceSpec,
  deviceCapture,
  nameOf,
  unclaimedTopic,
} from './device-address.ts';
import { readClock } from './device-clock.ts';
import { clientIdOf } from './device-names.ts';
import { type Episode, Episodes } from './episodes.ts';
import type { FleetModel } from './fleet-model.ts';
import { identityRoles } from './identity-roles.ts';
import { padded } from './payload-edit.ts';
import { FRAME_LIMIT, type GoodPayload, PAYLOAD_LIMIT, type SingleFault } from './payload-faults.ts';
import { valueAt } from './reading-schemas.ts';
import { givenSignals } from './schema-model.ts';
import { mixedRandom, mixedSeed } from './seeds.ts';
import { ValueMaker } from './value-maker.ts';
import type { Place, SaidTime, Verdict } from './verdict.ts';
import { type Moment, newMoment, World } from './world.ts';

/** Ways to break a schema that are tried until one does. */
const VIOLATION_TRIES = 12;
const FAULT_SALT = 0x0fa017;
const TURN_SALT = 0x70b0;
const TOO_LARGE: Verdict = Object.freeze({ fate: 'rejected', expected: null, recognisable: false });
const NOT_A_FRAME: Verdict = Object.freeze({ fate: 'either', expected: null, recognisable: false });
const NOWHERE: Place = { captures: new Map(), field: null };
const NO_TURNS: ReadonlyMap<SingleFault, number> = new Map();

/** @throws Error where its schema leaves it without a name */
export function createDeviceModel(spec: DeviceSpec): ModelDevice {
  return new DeviceModel(spec);
}

/** What a device has of its own once it has spoken: most of it is shared with others of its fleet. */
interface Life {
  readonly world: World;
  readonly maker: ValueMaker;
  readonly episodes: Episodes;
  readonly moment: Moment;
  /** From this reading on its identities come again. */
  readonly repeatsAt: number;
}

class DeviceModel implements ModelDevice {
  readonly name: string;
  readonly deviceTag: string | null;
  readonly tags: Readonly<Record<string, string>>;
  readonly timeUnitNs: number | null;
  private readonly spec: DeviceSpec;
  private readonly shared: FleetModel;
  private readonly inPayload: unknown;
  /** In turn; empty: its schema does not claim its topic. */
  private readonly addresses: readonly Addressed[];
  private readonly client: string;
  private readonly isBare: boolean;
  private readonly said: SaidTime = { offsetUs: 0, shiftUs: 0, base: 'start', subNs: 0, value: null };
  private life: Life | null = null;
  private turns = NO_TURNS;
  private n = 0;

  constructor(spec: DeviceSpec) {
    const { model, fleet } = spec.shared;
    const { mapping, time } = model;
    const { name, inPayload } = nameOf(spec);
    const isMqtt = fleet.link.kind === 'mqtt';
    this.spec = spec;
    this.shared = spec.shared;
    this.inPayload = inPayload;
    this.client = isMqtt
      ? clientIdOf(fleet.link.clientId, spec.connectionIndex, spec.connectionName ?? name)
      : name;
    this.addresses = addressesOf(spec, name, this.client);
    // A topic of the fleet's own may name it otherwise.
    this.name = this.addresses[0]?.place.captures.get(deviceCapture(model)) ?? name;
    this.deviceTag = mapping.deviceTag;
    this.tags = mapping.fixedTags(this.addresses[0]?.place.captures ?? NOWHERE.captures);
    this.isBare = this.addresses.some(({ place }) => place.field !== null);
    this.timeUnitNs = time === null || time.isAge || this.isBare ? null : time.unitNs;
  }

  get fleet(): number {
    return this.shared.fleetIndex;
  }

  get schema(): string {
    return this.shared.model.schema.$id;
  }

  get undigested(): readonly string[] {
    return this.shared.undigested;
  }

  next(at: number): PlannedReading | null {
    const { seed, index } = this.spec;
    const { said, shared, addresses } = this;
    const { fleet, verdicts, singles, model } = shared;
    this.life ??= this.begin();
    const { world, maker, episodes, moment, repeatsAt } = this.life;
    const { n } = this;
    this.n += 1;

    const offsetUs = Math.round(at);
    const episode =
      shared.episodes.length === 0 ? null : episodes.next(mixedRandom(seed, index, n), offsetUs);
    moment.elapsed = n === 0 ? 0 : offsetUs / 1e6 - moment.seconds;
    moment.n = n;
    moment.seconds = offsetUs / 1e6;
    moment.isStuck = episode?.kind === 'stuck';
    world.step(moment);
    this.readTime(episode, offsetUs);
    const reading = maker.next(moment);
    if (episode?.kind === 'silence') return null;

    const address = addresses[n % Math.max(1, addresses.length)];
    const place = address?.place ?? NOWHERE;
    const { field } = place;
    const bare = field === null ? undefined : (valueAt(reading, [field]) ?? null);
    const plain = JSON.stringify(field === null ? reading : bare);
    const wanted = field === null ? fleet.payloadBytes : null;
    const json = wanted === null || model.padding === null ? plain : padded(plain, model.padding, wanted);

    const draw = mixedSeed(seed, index, n, FAULT_SALT);
    const fault = episode === null && singles.length > 0 ? drawn(singles, draw / 2 ** 32) : null;
    const isLine = fleet.link.kind === 'serial';
    const good: GoodPayload = { reading, json, place, isLine, padding: model.padding };
    const spoilt = fault === null ? null : this.spoil(fault, good, mixedRandom(draw, n));
    const value = field === null ? reading : { [field]: bare };
    let { fate, expected, recognisable } = spoilt?.verdict ?? verdicts.ofValue(value, said, place);
    if (address === undefined) {
      fate = 'either';
      expected = null;
    } else if (fate === 'stored' && (n >= repeatsAt || (isLine && json.length > FRAME_LIMIT)))
      fate = 'either';
    return {
      device: index,
      n,
      topic: address?.topic ?? unclaimedTopic(this.spec, this.name, this.client),
      payload: spoilt?.payload ?? Buffer.from(json),
      fault: spoilt === null ? this.faultOf(episode) : fault,
      fate,
      expected,
      recognisable,
    };
  }

  private begin(): Life {
    const { spec, shared, said } = this;
    const { seed, index } = spec;
    const { model, startMs, episodes } = shared;
    const { schema, time, leaves } = model;
    const random = mixedRandom(seed, index);
    const world = new World(random, dayAtStart(seed, index));
    const { given, repeatsAt } = identityRoles(schema, leaves, { seed, index, startMs });
    const signals = givenSignals(schema, given, time, () => said.value, this.inPayload);
    const maker = new ValueMaker(
      model.recipe([...signals.keys()], !this.isBare),
      [...signals.values()],
      random,
      world,
    );
    return { world, maker, episodes: new Episodes(episodes), moment: newMoment(), repeatsAt };
  }

  /** Sets what its clock says, and what it puts into the reading. */
  private readTime(episode: Episode | null, offsetUs: number): void {
    const { said, shared } = this;
    const { time } = shared.model;
    readClock(said, episode, offsetUs);
    if (time === null) return;
    said.subNs = time.unitNs === 1 ? this.n % 1000 : 0;
    const us = said.base === 'epoch' ? said.shiftUs : shared.startMs * 1000 + offsetUs + said.shiftUs;
    said.value = time.isAge ? (this.n * 7) % 50 : time.valueOf(us, said.subNs);
  }

  private faultOf(episode: Episode | null): PayloadFault | null {
    if (episode === null) return null;
    return episode.kind.startsWith('clock-') && this.timeUnitNs === null ? null : episode.kind;
  }

  /** Null: this fault cannot strike here. */
  private spoil(
    fault: SingleFault,
    good: GoodPayload,
    random: Random,
  ): { readonly payload: Buffer; readonly verdict: Verdict } | null {
    const { faults } = this.shared.model;
    switch (fault) {
      case 'violation':
        for (let tries = 0; tries < VIOLATION_TRIES; tries += 1) {
          const broken = this.judged(faults.violation(good, this.turnOf(fault)), good);
          if (broken !== null && broken.verdict.fate === 'rejected') return broken;
        }
        return null;
      case 'type-flip':
        return this.judged(faults.typeFlip(good, this.turnOf(fault), random), good);
      case 'undecodable':
        return this.judged(faults.undecodable(good, this.turnOf(fault), random), good);
      case 'wrong-unit':
        return this.judged(faults.wrongUnit(good, this.turnOf(fault)), good);
      case 'oversized':
        return this.judged(faults.oversized(good, this.turnOf(fault), random), good);
    }
  }

  private judged(
    payload: Buffer | null,
    { place, isLine }: GoodPayload,
  ): { readonly payload: Buffer; readonly verdict: Verdict } | null {
    if (payload === null) return null;
    // A line that long is no frame: it is discarded on the port, and counted there.
    if (isLine && payload.length > FRAME_LIMIT) return { payload, verdict: NOT_A_FRAME };
    if (payload.length > PAYLOAD_LIMIT) return { payload, verdict: TOO_LARGE };
    return { payload, verdict: this.shared.verdicts.ofBytes(payload, this.said, place) };
  }

  private turnOf(fault: SingleFault): number {
    const { seed, index } = this.spec;
    // Devices begin at different places: a fleet of few readings each sees many kinds.
    const turn = this.turns.get(fault) ?? mixedSeed(seed, index, TURN_SALT) % 64;
    this.turns = new Map(this.turns).set(fault, turn + 1);
    return turn;
  }
}

function drawn(singles: FleetModel['singles'], draw: number): SingleFault | null {
  let left = draw;
  for (const { fault, rate } of singles) {
    if (left < rate) return fault;
    left -= rate;
  }
  return null;
}

/** Devices of one run are near one another: their clocks differ by minutes, and the run begins in their morning. */
function dayAtStart(seed: number, index: number): number {
  return (6 + (mixedSeed(seed) % 12) + (mixedSeed(seed, index, 1) % 30) / 60) / 24;
}
