import type { ErrorCode, YAMLError } from 'yaml';

/** Where nothing says more: it is left to where it stands. */
const NO_YAML = 'is no YAML: write a text that has more than letters, digits and - in it in quotes';
const MARKS =
  '&, * and ! mean something in YAML, and cannot stand like this: write a text that begins with one of them in quotes';
const TAG =
  'a text that begins with ! is a tag in YAML, and there is none of this name: write the text in quotes';
const NO_KEY =
  'is no key with a value: there must be a blank behind the : of a key, and a text over several lines needs quotes';
const NOT_CLOSED =
  'the quote that opens here is not closed where the text ends: within double quotes write \\" for a quote, within single quotes two of them';
const MISSING =
  'something is missing here: a blank behind a : or -, a comma, or what closes a [ or {; a text that begins with [ or { is written in quotes';

export const UNKNOWN_ALIAS =
  'a text that begins with * is an alias in YAML, and there is no anchor of this name before it: write the text in quotes';

const WORDS: Readonly<Record<ErrorCode, string>> = {
  ALIAS_PROPS: MARKS,
  BAD_ALIAS: MARKS,
  BAD_COLLECTION_TYPE: TAG,
  BAD_DIRECTIVE:
    'a line that begins with % is a directive in YAML, and not this one: write the text in quotes',
  BAD_DQ_ESCAPE:
    'a \\ in double quotes begins an escape, and there is none like this: write \\\\ for a \\, or the text in single quotes',
  BAD_INDENT: 'does not stand as far in as what it belongs to',
  BAD_PROP_ORDER: MARKS,
  BAD_SCALAR_START: 'a text cannot begin with this character: write it in quotes',
  BLOCK_AS_IMPLICIT_KEY:
    'a value on the line of its key can be no key with a value too: write a text with a : and a blank in it in quotes, and look how far in the next line stands',
  BLOCK_IN_FLOW: 'within [ ] and { } this is to be written with [ ] and { } too',
  DUPLICATE_KEY: 'this key is there twice',
  IMPOSSIBLE: NO_YAML,
  KEY_OVER_1024_CHARS: 'a key may have 1,024 characters at most',
  MISSING_CHAR: MISSING,
  MULTILINE_IMPLICIT_KEY: NO_KEY,
  MULTIPLE_ANCHORS: MARKS,
  MULTIPLE_DOCS: 'a second document begins here (---): there may be one in a file',
  MULTIPLE_TAGS: MARKS,
  NON_STRING_KEY:
    'a key has to be a text: write one that looks like a number, or begins with a mark, in quotes',
  RESOURCE_EXHAUSTION: 'is nested too deep',
  TAB_AS_INDENT: 'there is a tab before it: write blanks',
  TAG_RESOLVE_FAILED: TAG,
  UNEXPECTED_TOKEN:
    'is not expected here: write a text that begins with one of ] } , or has one of [ ] { } , in a list or map of these, in quotes',
};

/** The library has one code for many mistakes, and tells them apart in its words: how they begin, what is said instead. */
const CLOSER: readonly (readonly [code: ErrorCode, start: RegExp, words: string])[] = [
  ['BAD_INDENT', /^Flow/, 'what opens here is not closed: write a text that begins with [ or { in quotes'],
  ['MISSING_CHAR', /^Missing closing .quote/, NOT_CLOSED],
  ['MISSING_CHAR', /^Implicit map keys/, NO_KEY],
  ['MISSING_CHAR', /^Tags and anchors/, MARKS],
  [
    'UNEXPECTED_TOKEN',
    /^(?:Block scalar header|Not a YAML token)/,
    'a text that begins with > or | goes on over the next lines in YAML: write it in quotes',
  ],
  [
    'UNEXPECTED_TOKEN',
    /at node end$/,
    'the value has ended before this: write all of the text in quotes; within double quotes write \\" for a quote, within single quotes two of them',
  ],
  [
    'UNEXPECTED_TOKEN',
    /^Unexpected block-seq-ind/,
    'a list begins on a line of its own: write a text that begins with - and a blank in quotes',
  ],
];

/**
 * What is wrong with a YAML text, and what to do about it. The words are never those of the library: they may hold some of
 * the text, and a password whose quotes were forgotten is what stands at such a place.
 */
export function yamlErrorWords({ code, message }: Pick<YAMLError, 'code' | 'message'>): string {
  return CLOSER.find(([of, start]) => of === code && start.test(message))?.[2] ?? WORDS[code] ?? NO_YAML;
}
