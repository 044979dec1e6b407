/** A link with a listener that writes down what it was told. */
import type { Link, MqttLinkSpec, Outgoing } from '../../../device-sim/contracts.ts';
import { createLink } from '../../../device-sim/links/create-link.ts';
import type { LinkDeps, LinkSpec } from '../../../device-sim/links/link-deps.ts';
import { createTicker, systemClock, type Ticker } from '../../../device-sim/links/ticker.ts';
import { seededRandom } from '../../../device-sim/random.ts';

export interface LinkUnderTest {
  readonly link: Link;
  readonly ticker: Ticker;
  /** Tokens in the order they were acknowledged. */
  readonly acknowledged: number[];
  readonly refused: { readonly token: number; readonly words: string }[];
  readonly lost: string[];
  receipts(): number;
  /** Sends all of these, as there is room; resolves when the link was closed behind them. */
  sendAll(messages: readonly Outgoing[], deadlineMs?: number): Promise<void>;
}

export function mqttSpec(changes: Partial<MqttLinkSpec> = {}): MqttLinkSpec {
  return {
    kind: 'mqtt',
    url: null,
    clientId: 'device-%i',
    qos: 1,
    cleanSession: false,
    keepaliveSeconds: 60,
    maxInFlight: 20,
    reconnectMinMs: 5,
    reconnectMaxMs: 50,
    devicesPerConnection: 1,
    receipts: false,
    ...changes,
  };
}

export function linkUnderTest(
  spec: LinkSpec,
  deps: Partial<LinkDeps> & { readonly url: string },
  names: { readonly clientId?: string; readonly device?: string } = {},
): LinkUnderTest {
  const acknowledged: number[] = [];
  const refused: { token: number; words: string }[] = [];
  const lost: string[] = [];
  let receipts = 0;
  let onReady = (): void => undefined;
  const ticker = deps.ticker ?? createTicker(systemClock);
  const link = createLink(
    spec,
    { clientId: names.clientId ?? 'device-0', device: names.device ?? 'device-0', index: 0 },
    {
      onReady: () => onReady(),
      onAcknowledged: (token) => void acknowledged.push(token),
      onRefused: (token, words) => void refused.push({ token, words }),
      onLost: (words) => void lost.push(words),
      onReceipt: () => {
        receipts += 1;
      },
    },
    {
      username: null,
      password: null,
      tls: { caFile: null, insecure: false },
      random: seededRandom(1),
      ports: null,
      ...deps,
      ticker,
    },
  );
  return {
    link,
    ticker,
    acknowledged,
    refused,
    lost,
    receipts: () => receipts,
    async sendAll(messages, deadlineMs = 30_000) {
      await new Promise<void>((resolve) => {
        let next = 0;
        onReady = () => {
          for (
            let message = messages[next];
            message !== undefined && link.canSend;
            message = messages[next]
          ) {
            next += 1;
            link.send(message);
          }
          if (next === messages.length) resolve();
        };
        link.open();
        onReady();
      });
      await link.close(deadlineMs);
    },
  };
}
