import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  digestsOf,
  helloAsker,
  helloTopic,
  isUnderHello,
  type PeerHello,
  packHello,
  QUESTION_BYTES,
  QUESTION_LEVELS,
  readHello,
  type SchemaDigests,
  schemasThatDiffer,
} from '../gateway/peer-hello.ts';

const NONCE = '0123456789abcdef'.repeat(2);
const of = (...pairs: readonly [string, string][]): SchemaDigests => digestsOf(new Map(pairs));
const HELLO: PeerHello = {
  ...{ name: 'attic', others: ['cellar', 'roof'], maxPacketBytes: 2 ** 20, full: null },
  schemas: of(['a.v1', 'abc'], ['b.v1', 'def']),
};

describe('what a gateway says of itself to a peer', () => {
  it.each<[string, Partial<PeerHello>]>([
    ['that it is one of several', {}],
    ['that it has no peers', { name: null, others: [] }],
    ['that it is full', { full: 'no room' }],
  ])('is read as it was said: %s', (_, parts) => {
    const hello = { ...HELLO, ...parts };
    expect(readHello(packHello(hello))).toEqual(hello);
  });

  const text = packHello(HELLO).toString();
  it.each([
    ...['', 'on', '[]', '{}', 'null', '{"name":"a"}', '{"name":"attic","others":["cellar","roof"]}'],
    ...[
      ['"attic"', '1'],
      ['"cellar"', '1'],
      [':1048576', ':"1MiB"'],
      ['"full":null', '"full":1'],
      ['"complete":true', '"complete":1'],
      ['"a.v1"', '1'],
      ['["a.v1","abc"]', '7'],
    ].map(([from = '', to = '']) => text.replace(from, to)),
  ])('is not %j', (bad) => expect(readHello(Buffer.from(bad))).toBeNull());

  it('is read, or not, whatever the bytes are', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((json) => Buffer.from(json)),
        ),
        (bytes) => {
          expect(() => readHello(Buffer.from(bytes))).not.toThrow();
        },
      ),
    );
  });

  it('is small however many schemas there are, and however long their names', () => {
    const many = new Map(Array.from({ length: 2_000 }, (_, i) => [`${'x'.repeat(i)}${i}`, 'abcdefabcdef']));
    const hello = { ...HELLO, schemas: digestsOf(many) };
    const bytes = packHello(hello);
    expect(bytes.length).toBeLessThan(64 * 1024);
    expect(readHello(bytes)).toEqual(hello);
  });

  it('shows nothing that does not print', () => {
    expect(readHello(packHello({ ...HELLO, full: '\u001b[2J' }))?.full).toBe('\\x1b[2J');
  });
});

describe('a question', () => {
  it('is one filter, of whoever asks', () => {
    const filter = helloTopic('attic', NONCE);
    expect(filter).toBe(`gateway/peers/hello/attic/${NONCE}`);
    expect([helloAsker(filter), isUnderHello(filter)]).toEqual(['attic', true]);
  });

  it('fits into what a gateway with peers takes', () => {
    const longest = helloTopic('x'.repeat(64), NONCE);
    expect(helloAsker(longest)).not.toBeNull();
    expect([Buffer.byteLength(longest), longest.split('/').length]).toEqual([
      QUESTION_BYTES,
      QUESTION_LEVELS,
    ]);
  });

  it.each([
    helloTopic('attic', '+'),
    helloTopic('attic', '#'),
    helloTopic('+', NONCE),
    helloTopic('', NONCE),
    helloTopic('a/b', NONCE),
    helloTopic('x'.repeat(65), NONCE),
    helloTopic('attic', NONCE.slice(1)),
    helloTopic('attic', `${NONCE}0`),
    helloTopic('attic', NONCE.toUpperCase()),
    'gateway/peers/hello/#',
    'gateway/peers/hello/',
  ])('is not %s: and nobody may subscribe there', (filter) => {
    expect([helloAsker(filter), isUnderHello(filter)]).toEqual([null, true]);
  });

  it.each([
    'gateway/peers/hello',
    'gateway/#',
    `$share/g/${helloTopic('attic', NONCE)}`,
    `/${helloTopic('attic', NONCE)}`,
  ])('is not %s, which is a filter like any other', (filter) => {
    expect([helloAsker(filter), isUnderHello(filter)]).toEqual([null, false]);
  });
});

describe('schemas here and there', () => {
  it.each<[string, SchemaDigests, SchemaDigests, string | null]>([
    ['none', of(), of(), null],
    ['the same, in another order', of(['a', '1'], ['b', '2']), of(['b', '2'], ['a', '1']), null],
    ['another one', of(['a', '1'], ['b', '2']), of(['a', '1'], ['b', '3']), 'b is another there'],
    ['one more there', of(['a', '1']), of(['a', '1'], ['b', '3']), 'b is not here'],
    ['one fewer there', of(['a', '1'], ['b', '3']), of(['a', '1']), 'b is not there'],
    ['a name that does not print', of(['\u0007', '1']), of(), '\\x07 is not there'],
  ])('are compared: %s', (_, ours, theirs, words) => {
    expect(schemasThatDiffer(ours, theirs)).toBe(words);
  });

  it('are named only so many', () => {
    const ours = of(...Array.from({ length: 20 }, (_, i): [string, string] => [`s${i}`, '1']));
    expect(schemasThatDiffer(ours, of())).toMatch(/^s0 is not there, .*, and 12 more$/);
  });

  it('differ also where the one that does is not told', () => {
    const many = Array.from({ length: 300 }, (_, i): [string, string] => [`s${1000 + i}`, '1']);
    const theirs = of(...many.slice(0, 299), ['s1299', '2']);
    expect(schemasThatDiffer(of(...many), theirs)).toBe('one of many');
    expect(schemasThatDiffer(of(...many), of(...many.slice(0, 299)))).toBe('one of many');
  });
});
