import { describe, expect, it } from 'vitest';
import { compileReadingSchema, type ReadingSchema } from '../../gateway/readings/reading-schema.ts';
import { createSchemaHistory, type Documents, MAX_VERSIONS } from '../../gateway/readings/schema-history.ts';
import { readingsOf, schema } from './under-test.ts';

class Kept implements Documents {
  readonly texts = new Map<string, string>();
  writes = 0;

  get(name: string): string | null {
    return this.texts.get(name) ?? null;
  }

  async set(name: string, text: string): Promise<void> {
    this.texts.set(name, text);
  }

  async change(changes: ReadonlyMap<string, string | null>): Promise<void> {
    this.writes += 1;
    for (const [name, text] of changes) {
      if (text === null) this.texts.delete(name);
      else this.texts.set(name, text);
    }
  }
}

function compiled(measurement: string, $id = 'test.v1'): ReadingSchema {
  const text = JSON.stringify(schema({ $id, telemetry: { measurement } }));
  const { schema: good } = compileReadingSchema(`${$id}.json`, text);
  if (good === null) throw new Error('not a schema');
  return good;
}

describe('the texts of schemas by version', () => {
  it('outlive the schema in force and the process, each kept once', async () => {
    const documents = new Kept();
    const [old, next] = [compiled('old'), compiled('next')];
    const history = createSchemaHistory(documents);
    await history.keep([old]);
    await history.keep([next]);
    await history.keep([next]);
    expect(documents.writes).toBe(2);
    expect(old.version).toMatch(/^[0-9a-f]{12}$/);
    const again = createSchemaHistory(documents);
    expect(again.textOf(old.version)).toBe(old.text);
    expect(again.textOf(next.version)).toBe(next.text);
    expect(documents.get(`schema-version/${old.version}`)).toBe(old.text);
    expect(again.textOf('0123456789ab')).toBeNull();
    expect(again.textOf('index')).toBeNull();
  });

  it('are bounded: the oldest that is not in force goes, and takes its document along', async () => {
    const documents = new Kept();
    const history = createSchemaHistory(documents);
    const lasting = compiled('lasting', 'lasting.v1');
    const versions: ReadingSchema[] = [];
    for (let i = 0; i < MAX_VERSIONS + 20; i += 1) {
      const version = compiled(`m${i}`);
      versions.push(version);
      await history.keep([lasting, version]);
    }
    expect(documents.texts.size).toBe(MAX_VERSIONS + 1);
    expect(history.textOf(lasting.version)).toBe(lasting.text);
    expect(history.textOf(versions[0]?.version ?? '')).toBeNull();
    expect(history.textOf(versions[30]?.version ?? '')).toBe(versions[30]?.text);
  });

  it('are begun anew where the index is damaged, and a text that is not what its name says is none', async () => {
    const documents = new Kept();
    const history = createSchemaHistory(documents);
    const version = compiled('one');
    for (const damage of ['{', '7', '[1,"../x",null]']) {
      documents.texts.set('schema-version/index', damage);
      await history.keep([version]);
      expect(history.textOf(version.version)).toBe(version.text);
    }
    documents.texts.set(`schema-version/${version.version}`, 'other');
    expect(history.textOf(version.version)).toBeNull();
  });
});

describe('the schemas in force say', () => {
  it('their version and text, and how often they are to come', () => {
    const readings = readingsOf(
      schema({ telemetry: { expectEvery: '10s' } }),
      schema({ $id: 'other.v1', telemetry: { topics: ['o/{device}'] } }),
    );
    expect(readings.expectEveryMs('test.v1')).toBe(10_000);
    expect(readings.expectEveryMs('other.v1')).toBeNull();
    expect(readings.expectEveryMs('none.v1')).toBeNull();
    expect(readings.versionOf('test.v1')).toMatch(/^[0-9a-f]{12}$/);
    expect(readings.versionOf('test.v1')).not.toBe(readings.versionOf('other.v1'));
    expect(readings.versionOf('none.v1')).toBeNull();
    expect(readings.currentText('other.v1')).toContain('"other.v1"');
    expect(readings.currentText('none.v1')).toBeNull();
    expect(readings.describe()[0]).toMatchObject({
      version: readings.versionOf('test.v1'),
      expectEveryMs: 10_000,
      format: null,
    });
  });
});
