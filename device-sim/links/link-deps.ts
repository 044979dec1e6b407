import type { LinkListener, MqttLinkSpec, SerialLinkSpec } from '../contracts.ts';
import type { Random } from '../random.ts';
import type { Ticker } from './ticker.ts';

/** Who speaks over a link. */
export interface LinkNames {
  /** With its `%i` filled in. */
  readonly clientId: string;
  /** Names its port, where it makes one. */
  readonly device: string;
  /** Fills `%i` in a serial path. */
  readonly index: number;
}

/** What all links of a run share: one object for all of them. */
export interface LinkDeps {
  /** Where a link goes whose spec has no `url`: `mqtt`, `mqtts`, `ws`, `wss`. */
  readonly url: string;
  readonly username: string | null;
  readonly password: string | null;
  readonly tls: { readonly caFile: string | null; readonly insecure: boolean };
  /** One for all links: `createTicker(clock)`. */
  readonly ticker: Ticker;
  /** For back-off, noise and where a packet is cut; what is sent does not depend on it. */
  readonly random: Random;
  /** The folder in which serial links make their ports; null where none does. */
  readonly ports: string | null;
}

export type LinkSpec = MqttLinkSpec | SerialLinkSpec;
export type { LinkListener };
