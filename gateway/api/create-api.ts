import { type FastifyInstance, fastify } from 'fastify';
import type { Registry } from 'prom-client';
import { type ErrorCode, GatewayError, isGatewayError, messageOf } from '../errors.ts';
import type { Operations } from '../operations-contract.ts';
import { isAllowedHost, isAllowedOrigin } from './allowed-host.ts';
import { addRoutes } from './routes.ts';

export interface ApiOptions {
  readonly host: string;
  /** 0: the system chooses. */
  readonly port: number;
  readonly operations: Operations;
  readonly registry: Registry;
  /** A request failed in a way it should not. */
  readonly onFailure: (route: string, error: unknown) => void;
}

export interface Api {
  /** Resolves with the port. @throws GatewayError `address-in-use`, `address-unavailable`. */
  start(): Promise<number>;
  stop(): Promise<void>;
}

const MAX_CONNECTIONS = 256;
const MAX_BODY_BYTES = 64 * 1024;
const REQUEST_TIMEOUT_MS = 10_000;

/** Which status an error becomes; any other is 500. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  usage: 400,
  'not-found': 404,
  'sink-unknown': 404,
  'sink-configured': 409,
  'replay-busy': 409,
  starting: 503,
  stopping: 503,
  'not-running': 503,
  'store-full': 503,
  'store-unavailable': 503,
};

/** The HTTP door: a thin layer over `Operations`, JSON both ways, errors as `{"error":{"code","message"}}`. */
export function createApi(options: ApiOptions): Api {
  const app = fastify({
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: 5_000,
    forceCloseConnections: true,
    // A parameter that is not known is an error, not a filter that silently does nothing.
    ajv: { customOptions: { removeAdditional: false } },
    routerOptions: { maxParamLength: 1024 },
  });
  app.server.maxConnections = MAX_CONNECTIONS;
  // A body that a form of any page can send is none that is understood.
  app.removeContentTypeParser('text/plain');
  guard(app, options);
  answerErrors(app, options);
  addRoutes(app, options.operations, options.registry);

  return {
    async start() {
      const { host, port } = options;
      try {
        await app.listen({ host, port });
      } catch (error) {
        throw listenError(error, host, port);
      }
      const address = app.server.address();
      return typeof address === 'object' && address !== null ? address.port : port;
    },
    stop: async () => await app.close(),
  };
}

function guard(app: FastifyInstance, options: ApiOptions): void {
  app.addHook('onRequest', async (request, reply) => {
    void reply.headers({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
    });
    const { host, origin } = request.headers;
    if (!isAllowedHost(host, options))
      return await refuse(
        reply,
        421,
        'this name does not lead here; ask by address, or by the configured host',
      );
    if (!isAllowedOrigin(origin, host))
      return await refuse(reply, 403, 'pages of other origins may not ask this gateway');
    return undefined;
  });
}

async function refuse(
  reply: { code(status: number): { send(body: unknown): unknown } },
  status: number,
  message: string,
): Promise<unknown> {
  return reply.code(status).send({ error: { code: 'usage', message } });
}

function answerErrors(app: FastifyInstance, { onFailure }: ApiOptions): void {
  app.setNotFoundHandler(async (_, reply) => {
    await reply.code(404).send({ error: { code: 'not-found', message: 'there is nothing at this address' } });
  });
  app.setErrorHandler(async (error, request, reply) => {
    if (isGatewayError(error)) {
      const status = STATUS[error.code] ?? 500;
      await reply.code(status).send({ error: { code: error.code, message: error.message } });
      return;
    }
    const status = statusOf(error);
    if (status < 500) {
      await reply.code(status).send({ error: { code: 'usage', message: usageMessage(error, status) } });
      return;
    }
    onFailure(request.routeOptions.url ?? '(no route)', error);
    await reply
      .code(500)
      .send({ error: { code: 'internal', message: 'the gateway failed to answer; its log says why' } });
  });
}

/** Fastify's words, and what they leave out: what may stand there instead. */
function usageMessage(error: unknown, status: number): string {
  if (status === 415) return 'the body must be JSON, with the header content-type: application/json';
  const allowed = allowedValuesOf(error);
  return allowed === null ? messageOf(error) : `${messageOf(error)}: ${allowed.join(', ')}`;
}

function allowedValuesOf(error: unknown): readonly unknown[] | null {
  if (!(error instanceof Error) || !('validation' in error) || !Array.isArray(error.validation)) return null;
  const [first]: unknown[] = error.validation;
  if (typeof first !== 'object' || first === null || !('params' in first)) return null;
  const { params } = first;
  if (typeof params !== 'object' || params === null || !('allowedValues' in params)) return null;
  return Array.isArray(params.allowedValues) ? params.allowedValues : null;
}

/** Fastify marks what the client did wrong with its status. */
function statusOf(error: unknown): number {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : 500;
  return typeof status === 'number' && status >= 400 ? status : 500;
}

function listenError(error: unknown, host: string, port: number): GatewayError {
  const code = error instanceof Error && 'code' in error ? error.code : '';
  const where = `HTTP cannot listen on ${host}:${port}`;
  if (code === 'EADDRINUSE')
    return new GatewayError('address-in-use', `${where}: another program does already`, { cause: error });
  if (code === 'EACCES')
    return new GatewayError('address-unavailable', `${where}: not permitted; ports below 1024 need a right`, {
      cause: error,
    });
  return new GatewayError('address-unavailable', `${where}: ${messageOf(error)}`, { cause: error });
}
