import type { FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import { REJECTION_CODES } from '../contracts.ts';
import type { Operations } from '../operations-contract.ts';
import type { RejectionFilter } from '../store-contract.ts';

const TEXT = { type: 'string', minLength: 1, maxLength: 1024 } as const;

/** Every route of the API. Reading only: nothing here changes the gateway. */
export function addRoutes(app: FastifyInstance, operations: Operations, registry: Registry): void {
  app.get('/health/live', async () => ({ status: 'live' }));

  app.get('/health/ready', async (_, reply) => {
    const health = await operations.health();
    return await reply.code(health.status === 'unavailable' ? 503 : 200).send(health);
  });

  app.get('/metrics', async (_, reply) => {
    return await reply.type(registry.contentType).send(await registry.metrics());
  });

  app.get('/api/status', async () => await operations.status());

  app.get<{ Querystring: { device?: string } }>(
    '/api/account',
    { schema: { querystring: query({ device: TEXT }) } },
    async ({ query: { device } }) =>
      device === undefined ? await operations.account() : await operations.deviceAccount(device),
  );

  app.get<{ Querystring: RejectionFilter }>(
    '/api/rejected',
    {
      schema: {
        querystring: query({
          code: { type: 'string', enum: [...REJECTION_CODES] },
          device: TEXT,
          client: TEXT,
          limit: { type: 'integer', minimum: 1, maximum: 1000 },
        }),
      },
    },
    async ({ query: filter }) => await operations.rejected(filter),
  );

  app.get<{ Params: { id: string } }>(
    '/api/rejected/:id',
    async ({ params }) => await operations.rejection(params.id),
  );

  app.get('/api/topics', async () => await operations.topics());

  app.get('/api/sinks', async () => await operations.sinks());
}

function query(properties: Readonly<Record<string, object>>): object {
  return { type: 'object', properties, additionalProperties: false };
}
