import type { FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import type { DeviceFilter, Operations } from '../operations-contract.ts';
import { addRejectedRoutes } from './rejected-routes.ts';

const TEXT = { type: 'string', minLength: 1, maxLength: 1024 } as const;

/** Every route of the API. */
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

  addRejectedRoutes(app, operations);

  app.get<{ Querystring: DeviceFilter }>(
    '/api/devices',
    { schema: { querystring: query({ silent: { type: 'boolean' } }) } },
    async ({ query: filter }) => await operations.devices(filter),
  );

  app.get<{ Params: { device: string } }>(
    '/api/devices/:device',
    async ({ params }) => await operations.device(params.device),
  );

  app.get('/api/series', async () => await operations.series());

  app.get('/api/fields', async () => await operations.fields());

  app.get('/api/topics', async () => await operations.topics());

  app.get('/api/sinks', async () => await operations.sinks());
}

function query(properties: Readonly<Record<string, object>>): object {
  return { type: 'object', properties, additionalProperties: false };
}
