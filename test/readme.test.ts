import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../gateway/config/load-config.ts';
import { compileSchemas } from '../gateway/readings/load-schemas.ts';

const root = join(import.meta.dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');

/** The fenced blocks of a language. */
function blocks(language: string): string[] {
  return [...readme.matchAll(new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``, 'g'))].map(
    ([, text = '']) => text,
  );
}

describe('the README', () => {
  it('shows a schema that works as it stands', () => {
    const [text = ''] = blocks('json');
    const { schemas, problems } = compileSchemas(new Map([['cold-room.v1.json', text]]));
    expect(problems).toEqual([]);
    expect(schemas.map(({ id }) => id)).toEqual(['cold-room.v1']);
  });

  it('shows configuration that works as it stands', () => {
    const environment = { INFLUX_TOKEN: 'x' };
    const configs = blocks('yaml').map((text) =>
      parseConfig(text, { file: 'gateway.yaml', cwd: root, environment }),
    );
    expect(configs.map(({ sinks }) => sinks[0]?.type)).toEqual([
      'embedded',
      'influxdb',
      ...Array(3).fill('embedded'),
    ]);
  });

  it('names only npm scripts, files and folders that exist', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    for (const [, script = ''] of readme.matchAll(/npm run ([a-z:]+)/g))
      expect(Object.keys(scripts)).toContain(script);
    for (const [, path = ''] of readme.matchAll(/\]\(([^)#]+)\)/g))
      expect(() => readFileSync(join(root, path))).not.toThrow(/ENOENT/);
  });
});
