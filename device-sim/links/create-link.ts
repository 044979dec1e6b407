import type { Link } from '../contracts.ts';
import type { LinkDeps, LinkListener, LinkNames, LinkSpec } from './link-deps.ts';
import { createMqttLink } from './mqtt-link.ts';
import { createSerialLink } from './serial-link.ts';

/** Never throws: what is wrong with its url, its port or its tools is told by `onLost`, and it goes on trying. */
export function createLink(spec: LinkSpec, names: LinkNames, listener: LinkListener, deps: LinkDeps): Link {
  return spec.kind === 'mqtt'
    ? createMqttLink(spec, names, listener, deps)
    : createSerialLink(spec, names, listener, deps);
}
