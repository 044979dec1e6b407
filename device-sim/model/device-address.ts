import { clientIdOf, deviceName } from './device-names.ts';
import type { FleetModel } from './fleet-model.ts';
import { propertyPath } from './reading-schemas.ts';
import type { SchemaModel } from './schema-model.ts';
import { mixedRandom } from './seeds.ts';
import { textValue } from './text-values.ts';
import {
  bestPattern,
  type Captures,
  capturesIn,
  capturesOf,
  FIELD_CAPTURE,
  filledTopic,
} from './topic-captures.ts';
import { valueRules } from './value-rules.ts';
import type { Place } from './verdict.ts';

export interface DeviceSpec {
  readonly shared: FleetModel;
  /** Among all devices of the run, and among those of its schema in its fleet. */
  readonly index: number;
  readonly indexInSchema: number;
  /** The first device on its connection; its name is null where that is this one. */
  readonly connectionIndex: number;
  readonly connectionName: string | null;
  readonly username: string | null;
  readonly seed: number;
}

/** Where a reading goes. */
export interface Addressed {
  readonly topic: string;
  readonly place: Place;
}

/** Where values that a schema captures and the simulator chooses are few. */
const CAPTURE_TEXTS = 4;

/**
 * What a device is called in the database, and what its payload says where that names it.
 *
 * @throws Error where its schema leaves it without a name
 */
export function nameOf(spec: DeviceSpec): { readonly name: string; readonly inPayload: unknown } {
  const { index, connectionIndex, connectionName, seed, username } = spec;
  const { model, fleet } = spec.shared;
  const { schema, leaves } = model;
  const rule = schema.telemetry.device ?? '{device}';
  const plain = deviceName(index);
  if (rule === 'username') {
    if (username === null)
      throw new Error(`${schema.$id} names devices by their user name: give the run one`);
    return { name: username, inPayload: null };
  }
  if (rule === 'port' && fleet.link.kind !== 'serial') {
    throw new Error(`${schema.$id} names devices by their serial port: give its fleet a serial link`);
  }
  if (rule === 'clientId' && fleet.link.kind === 'mqtt') {
    const { clientId } = fleet.link;
    if (clientId.includes('%d') && clientId !== '%d') {
      throw new Error(
        `${schema.$id} names devices by their client id: fleet ${fleet.name} cannot make that of their name`,
      );
    }
    return { name: connectionName ?? clientIdOf(clientId, connectionIndex, plain), inPayload: null };
  }
  if (!rule.startsWith('/')) return { name: plain, inPayload: null };
  const path = propertyPath(rule);
  const leaf = leaves.find((candidate) => candidate.path.join('/') === path.join('/'));
  if (leaf === undefined) throw new Error(`${schema.$id}: telemetry.device names no declared property`);
  const rules = valueRules(schema.root, leaf.layers.slice(0, 1), { choose: () => 0 });
  if (leaf.kind === 'i') {
    const low = Number.isFinite(rules.minimum) ? rules.minimum : 1;
    const inPayload = leaf.asText ? String(low + index) : low + index;
    return { name: String(inPayload), inPayload };
  }
  const listed = rules.values?.[index % rules.values.length];
  const text =
    rules.values === null &&
    rules.patterns.length === 0 &&
    rules.format === null &&
    rules.maxLength >= plain.length
      ? plain
      : listed === undefined
        ? textValue(rules, 'device', mixedRandom(seed, index, 2))
        : String(listed);
  if (text === null)
    throw new Error(`${schema.$id}: no name can be made for the device property ${path.join('/')}`);
  return { name: text, inPayload: text };
}

/** Where its readings go, in turn; empty: to a topic that its schema does not claim. */
export function addressesOf(spec: DeviceSpec, name: string, client: string): readonly Addressed[] {
  const { index, indexInSchema } = spec;
  const { model, fleet } = spec.shared;
  const { topics } = model.schema.telemetry;
  const usual = topics[indexInSchema % topics.length] ?? '';
  const pattern = (fleet.topic ?? usual)
    .replaceAll('%i', String(index))
    .replaceAll('%c', client)
    .replaceAll('%d', name);
  const fields = capturesIn(pattern).includes(FIELD_CAPTURE) ? model.bareFields : [null];
  return fields.flatMap((field) => {
    const topic = filledTopic(pattern, (capture) =>
      capture === FIELD_CAPTURE
        ? (field ?? '')
        : capture === deviceCapture(model) || (capture === 'device' && deviceCapture(model) === '')
          ? name
          : captureText(capture, indexInSchema),
    );
    const claimed = bestPattern(topics, topic);
    const captures: Captures | null = claimed === null ? null : capturesOf(claimed, topic);
    if (captures === null) return [];
    const bare = captures.get(FIELD_CAPTURE) ?? null;
    return bare !== null && !model.bareFields.includes(bare)
      ? []
      : [{ topic, place: { captures, field: bare } }];
  });
}

/** The topic of one whose topic its schema does not claim. */
export function unclaimedTopic({ shared, index }: DeviceSpec, name: string, client: string): string {
  const { fleet } = shared;
  const pattern = (fleet.topic ?? name)
    .replaceAll('%i', String(index))
    .replaceAll('%c', client)
    .replaceAll('%d', name);
  return filledTopic(pattern, (capture) => (capture === 'device' ? name : captureText(capture, index)));
}

/** The capture that names the device; empty where something else does. */
export function deviceCapture({ schema }: SchemaModel): string {
  const rule = schema.telemetry.device ?? '{device}';
  return /^\{(.*)\}$/.exec(rule)?.[1] ?? '';
}

function captureText(capture: string, index: number): string {
  return `${capture}-${1 + (index % CAPTURE_TEXTS)}`;
}
