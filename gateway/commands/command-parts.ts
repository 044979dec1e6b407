import type { BrokerConnection } from '../broker-link/broker-connection.ts';
import type { ExpectedPeer } from '../broker-link/connect-peer.ts';
import type { GatewayConfig, SinkConfig } from '../config/gateway-config.ts';
import type { Formats, Readings } from '../contracts.ts';
import type { Problem } from '../errors.ts';
import type { GatewayDeps } from '../gateway.ts';
import type { DeviceBook, DeviceClocks } from '../ledger-contract.ts';
import type { Store } from '../store-contract.ts';

/** The reading schemas of a folder, compiled. A file with problems is left out. */
export interface LoadedReadings {
  readonly readings: Readings & {
    /** Name and text of the schema of this `$id`; null where there is none. */
    versionOf(id: string): string | null;
    currentText(id: string): string | null;
  };
  /** `$id` of each schema that can be used. */
  readonly schemas: readonly string[];
  readonly problems: readonly Problem[];
  /** Worth a word, but in the way of nothing: undeclared properties, unmapped arrays. */
  readonly notes: readonly Problem[];
  /** Of a topic that no schema claims: the schema that comes nearest, and what differs. */
  nearest(topic: string): string | null;
}

/** What the mapping asks besides the schemas. Left out: nothing is known of any device. */
export interface LoadMapping {
  readonly clocks: DeviceClocks;
  readonly book: DeviceBook;
  /** What it makes goes into a store that holds earlier readings, whose times it must not take. */
  readonly isForStore: boolean;
}

/** The parts of the gateway that commands put to use; tests give their own. */
export interface CommandParts {
  /** Runs until `signal` aborts; resolves when all is in order on disk. @throws GatewayError when it cannot start. */
  runGateway(config: GatewayConfig, deps: GatewayDeps, signal: AbortSignal): Promise<void>;
  /** Never throws for what a file holds. @throws GatewayError `schema-invalid` where the folder cannot be read. */
  loadReadings(config: GatewayConfig, mapping?: LoadMapping): LoadedReadings;
  createFormats(config: GatewayConfig): Formats;
  /** The store of a data folder that no gateway uses; null where there is none yet. */
  openStore(config: GatewayConfig): Promise<Store | null>;
  /** What keeps a sink from taking readings, in words; null where it is ready. */
  probeSink(sink: SinkConfig, config: GatewayConfig, signal: AbortSignal): Promise<string | null>;
  /** What keeps another broker from being used, in words; null where nothing does. Nobody there notices. */
  probeBroker(connection: BrokerConnection, signal: AbortSignal, peer?: ExpectedPeer): Promise<string | null>;
  /**
   * Fields of the schemas that a sink's database holds already with another type, at their places. Null where it does
   * not tell its types. @throws GatewayError `schema-invalid` where the folder cannot be read.
   */
  fieldTypeProblems(
    sink: SinkConfig,
    config: GatewayConfig,
    signal: AbortSignal,
  ): Promise<readonly Problem[] | null>;
}
