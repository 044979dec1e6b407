import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isMap, isScalar, isSeq, parse, parseDocument } from 'yaml';
import { loadConfig, parseConfig } from '../../gateway/config/load-config.ts';
import { CONFIG_SCHEMA_FILE } from '../../gateway/config/validate.ts';
import { DEFAULT_JSON_BOUNDS } from '../../gateway/formats/json-bounds.ts';
import { PACKAGE_ROOT } from '../../gateway/package-root.ts';
import { DEFAULT_MQTT_LIMITS } from '../../gateway/sources/mqtt-broker/limits.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

interface SchemaNode {
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, SchemaNode>>;
  readonly title?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
  readonly else?: SchemaNode;
  readonly allOf?: readonly { readonly then: SchemaNode }[];
}

// Its shape is held by the loader, which compiles it strictly.
const schema = JSON.parse(readFileSync(CONFIG_SCHEMA_FILE, 'utf8')) as SchemaNode;
const sample = readFileSync(join(PACKAGE_ROOT, 'gateway.yaml'), 'utf8');
/** With the options that are commented out put to work. Three choices explained at the start of a line are none. */
const everything = sample.replace(
  /^( *)# ((?:- | +)?(?!forward|reject|refuse)[a-zA-Z]+:(?: .*)?)$/gm,
  (_, indent: string, option: string) => indent + option,
);

function follow(node: SchemaNode): SchemaNode {
  const name = node.$ref?.replace('#/$defs/', '');
  const target = name === undefined ? undefined : schema.$defs?.[name];
  return target === undefined ? node : { ...follow(target), ...node };
}

/** Every option of the schema: its path in dots, and its default. */
function options(node: SchemaNode, path = ''): Map<string, unknown> {
  const { properties, items, allOf, else: other } = follow(node);
  const found = new Map<string, unknown>();
  for (const [key, child] of Object.entries(properties ?? {})) {
    const inner = options(child, `${path}.${key}`);
    if (inner.size === 0) found.set(`${path}.${key}`, follow(child).default);
    for (const each of inner) found.set(...each);
  }
  for (const part of [items, other, ...(allOf ?? []).map(({ then }) => then)])
    if (part !== undefined) for (const each of options(part, path)) found.set(...each);
  return found;
}

describe('the sample gateway.yaml', () => {
  test('as it stands it is the defaults', () => {
    const shipped = parseConfig(sample, { file: 'gateway.yaml', cwd: PACKAGE_ROOT, environment: {} });
    const defaults = loadConfig({ file: null, cwd: temporaryFolder(), environment: {} });
    expect({ ...shipped, file: null, dataDir: '' }).toEqual({ ...defaults, file: null, dataDir: '' });
  });

  test('with every option put to work it is valid, except that a secret is given once', () => {
    const text = everything.replace(/^ *(?:passwordFile|tokenFile):.*$/gm, '');
    const config = parseConfig(text, {
      file: 'gateway.yaml',
      cwd: PACKAGE_ROOT,
      environment: { INFLUX_TOKEN: 'x' },
    });
    expect(config.sinks.map(({ name }) => name)).toEqual(['embedded', 'influxdb']);
  });

  test('it shows every option there is, those with a default at it', () => {
    const shown = new Map<string, unknown>();
    const walk = (node: unknown, path: string): void => {
      if (isMap(node))
        for (const { key, value } of node.items)
          walk(value, `${path}.${isScalar(key) ? String(key.value) : ''}`);
      else if (isSeq(node)) for (const item of node.items) walk(item, path);
      else if (isScalar(node)) shown.set(path, node.value);
    };
    walk(parseDocument(everything).contents, '');
    const all = options(schema);
    expect([...all.keys()].filter((path) => !shown.has(path))).toEqual([]);
    expect([...shown.keys()].filter((path) => !all.has(path))).toEqual([]);
    const differing = [...all].filter(([path, value]) => value !== undefined && shown.get(path) !== value);
    expect(differing).toEqual([]);
  });

  test('each line stays readable', () => {
    expect(sample.split('\n').filter((line) => line.length > 132)).toEqual([]);
  });
});

describe('the schema of the configuration', () => {
  test('its defaults are those of the parts that it configures', () => {
    const { mqtt, limits } = loadConfig({ file: null, cwd: temporaryFolder(), environment: {} });
    expect(DEFAULT_MQTT_LIMITS).toMatchObject(mqtt.limits);
    expect(DEFAULT_JSON_BOUNDS).toMatchObject({ maxDepth: limits.payloadDepth, maxKeys: limits.payloadKeys });
  });

  test('an editor can explain every option', () => {
    const untitled = (node: SchemaNode): string[] =>
      Object.entries(follow(node).properties ?? {}).flatMap(([key, child]) => [
        ...(follow(child).title === undefined && Object.keys(child).length > 0 ? [key] : []),
        ...untitled(child),
      ]);
    expect(untitled(schema)).toEqual([]);
    expect(parse(sample)).toBeTypeOf('object');
  });
});
