import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { REJECTION_CODES } from '../contracts.ts';
import type { Operations } from '../operations-contract.ts';
import type { RejectedQuery, RejectedSelection } from '../rejected-contract.ts';

const TEXT = { type: 'string', minLength: 1, maxLength: 1024 } as const;
const AFTER = { type: 'string', minLength: 1, maxLength: 64 } as const;
const PAGE = { type: 'integer', minimum: 1, maximum: 1000 } as const;
const RECORDS_A_PAGE = 100;
const ROWS_A_PAGE = 500;

/** What a rejected reading is chosen by; `limit` apart. */
const FILTER = {
  code: { type: 'string', enum: [...REJECTION_CODES] },
  device: TEXT,
  client: TEXT,
  topic: TEXT,
  schema: TEXT,
  sink: TEXT,
  since: TEXT,
  until: TEXT,
  state: { type: 'string', enum: ['open', 'resolved', 'all'] },
} as const;

const SELECTION = {
  ids: { type: 'array', items: TEXT, minItems: 1, maxItems: 1000 },
  filter: { type: 'object', properties: FILTER, additionalProperties: false },
  all: { type: 'boolean' },
  after: { anyOf: [AFTER, { type: 'null' }] },
  limit: PAGE,
} as const;

interface PageBody extends RejectedSelection {
  readonly after?: string | null;
  readonly limit?: number;
}

interface ReplayBody extends PageBody {
  readonly dryRun?: boolean;
  readonly run?: string;
}

/**
 * Rejected readings: asked about with GET; replayed and discarded with POST, page by page (`next` of an answer is `after`
 * of the next request). A POST must be `application/json`: a page elsewhere cannot make a browser send that unasked.
 */
export function addRejectedRoutes(app: FastifyInstance, operations: Operations): void {
  app.get<{ Querystring: RejectedQuery }>(
    '/api/rejected',
    { schema: { querystring: strict({ ...FILTER, limit: PAGE }) } },
    async ({ query }) => await operations.rejected(query),
  );

  app.get<{ Querystring: RejectedQuery & { after?: string } }>(
    '/api/rejected/causes',
    { schema: { querystring: strict({ ...FILTER, after: AFTER }) } },
    async ({ query: { after, ...query } }) => await operations.rejectedCauses(query, after ?? null),
  );

  app.get<{ Querystring: RejectedQuery }>(
    '/api/rejected/export',
    { schema: { querystring: strict({ ...FILTER, limit: { type: 'integer', minimum: 1 } }) } },
    async ({ query }, reply) => {
      // What is wrong with the query is said with a status, before the first byte of the stream.
      const lines = recordLines(operations, query);
      const first = await lines.next();
      return await reply
        .type('application/x-ndjson')
        .header('content-disposition', 'attachment; filename="rejected.ndjson"')
        .send(Readable.from(withFirst(first, lines), { objectMode: false }));
    },
  );

  app.get<{ Params: { id: string } }>(
    '/api/rejected/:id',
    async ({ params }) => await operations.rejection(params.id),
  );

  app.post<{ Body: ReplayBody }>(
    '/api/rejected/replay',
    { schema: { body: strict({ ...SELECTION, dryRun: { type: 'boolean' }, run: TEXT }) } },
    async ({ body: { after, limit, dryRun, run, ...selection } }) =>
      await operations.replay({
        selection,
        after: after ?? null,
        limit: limit ?? ROWS_A_PAGE,
        dryRun: dryRun ?? false,
        run: run ?? null,
      }),
  );

  app.post<{ Body: PageBody }>(
    '/api/rejected/discard',
    { schema: { body: strict(SELECTION) } },
    async ({ body: { after, limit, ...selection } }) =>
      await operations.discardRejected({ selection, after: after ?? null, limit: limit ?? ROWS_A_PAGE }),
  );
}

/** NDJSON, a page at a time: the next is read when the last has been taken. */
async function* recordLines(
  operations: Operations,
  { limit = Number.POSITIVE_INFINITY, ...query }: RejectedQuery,
): AsyncGenerator<string, undefined> {
  let after: string | null = null;
  let left = limit;
  do {
    const page = await operations.rejectedRecords(query, after, Math.min(left, RECORDS_A_PAGE));
    if (page.rejections.length > 0)
      yield page.rejections.map((record) => `${JSON.stringify(record)}\n`).join('');
    left -= page.rejections.length;
    after = page.next;
  } while (after !== null && left > 0);
  return undefined;
}

async function* withFirst(
  first: IteratorResult<string, undefined>,
  rest: AsyncGenerator<string, undefined>,
): AsyncGenerator<string> {
  if (first.done === true) return;
  yield first.value;
  yield* rest;
}

function strict(properties: Readonly<Record<string, object>>): object {
  return { type: 'object', properties, additionalProperties: false };
}
