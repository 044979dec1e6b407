import type { GatewayConfig } from './gateway-config.ts';

const HIDDEN = '(hidden)';

/** The configuration without its secrets, for people and logs. */
export function redacted(config: GatewayConfig): GatewayConfig {
  return {
    ...config,
    sinks: config.sinks.map((sink) =>
      sink.type === 'embedded'
        ? sink
        : {
            ...sink,
            password: sink.password === null ? null : HIDDEN,
            token: sink.token === null ? null : HIDDEN,
          },
    ),
  };
}
