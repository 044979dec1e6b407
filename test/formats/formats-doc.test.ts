import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { canonicalSpec } from '../../gateway/canonical-spec.ts';
import { createFormats, FORMAT_NAMES } from '../../gateway/formats/formats.ts';
import { PACKAGE_ROOT } from '../../gateway/package-root.ts';
import { createFramer } from '../../gateway/sources/framing/create-framer.ts';
import type { FramingOptions } from '../../gateway/sources/framing/framing-options.ts';

const doc = readFileSync(join(PACKAGE_ROOT, 'docs/formats.md'), 'utf8');
const ajv = new Ajv2020({ strictTypes: false, allowUnionTypes: true });
ajv.addKeyword('expected');
const schemaOf = (name: string) =>
  ajv.compile(JSON.parse(readFileSync(join(PACKAGE_ROOT, `schemas/${name}.schema.json`), 'utf8')));
const isFraming = schemaOf('framing');
const isFormat = schemaOf('format');

interface Example {
  readonly title: string;
  readonly config: { readonly framing?: string | FramingOptions; readonly format: unknown };
  readonly bytes: Buffer;
  readonly result: unknown;
}

/** Configuration, what is sent, and what comes out: three fenced blocks in a row. */
const examples: Example[] = [
  ...doc.matchAll(/```yaml\n([\s\S]*?)```\s+```(text|hex)\n([\s\S]*?)```\s+```json\n([\s\S]*?)```/g),
].map(([, config = '', kind, sent = '', result = '']) => ({
  title: config.trim().replaceAll(/\s+/g, ' '),
  config: parse(config),
  bytes: kind === 'hex' ? Buffer.from(sent.replaceAll(/\s/g, ''), 'hex') : Buffer.from(sent),
  result: JSON.parse(result),
}));

const formats = createFormats();

describe('docs/formats.md', () => {
  it.each(examples)('tells the truth: $title', ({ config, bytes, result }) => {
    const { framing, format: spec } = config;
    expect(isFormat(spec), JSON.stringify(isFormat.errors)).toBe(true);
    const format = formats.get(canonicalSpec(spec));
    if (framing === undefined) {
      expect(format?.decode(bytes)).toEqual(result);
      return;
    }
    expect(isFraming(framing), JSON.stringify(isFraming.errors)).toBe(true);
    const readings: unknown[] = [];
    const options = typeof framing === 'string' ? ({ kind: framing } as FramingOptions) : framing;
    const framer = createFramer(options, {
      frame: (frame) => readings.push(format?.decode(frame)),
      discarded: () => undefined,
    });
    framer.push(bytes);
    framer.end();
    expect(readings).toEqual(result);
  });

  it('has an example of every format and framing', () => {
    const shown = examples.map(({ config }) => canonicalSpec(config.format).replace(/^\{"([^"]+)".*$/, '$1'));
    expect([...new Set(shown)].sort()).toEqual([...FORMAT_NAMES].sort());
    const kinds = examples.map(({ config: { framing } }) =>
      typeof framing === 'object' ? framing.kind : (framing ?? 'none'),
    );
    for (const kind of ['line', 'slip', 'cobs', 'length', 'fixed', 'sds011', 'nmea'])
      expect(kinds).toContain(kind);
  });

  it('shows as many examples as it has blocks of configuration', () => {
    expect(examples.length).toBe([...doc.matchAll(/```yaml\n/g)].length);
  });
});
