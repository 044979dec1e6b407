import type { FramingOptions } from '../framing/framing-options.ts';
import type { HeaderKind } from './csv-header.ts';
import type { PortWanted } from './find-ports.ts';
import type { LineSettings } from './open-port.ts';

/** One entry of `serial:` in the configuration: a port, or with `each` as many as fit. */
export interface SerialEntry extends PortWanted, LineSettings {
  /** Names the port in logs, and as the client that its readings come from. */
  readonly name: string;
  /** With `each`, what the devices' names begin with. */
  readonly device: string;
  /** Every port that fits is a device of its own. */
  readonly each: boolean;
  /** `{device}` stands for the device. */
  readonly topic: string;
  readonly framing: FramingOptions;
  /** The canonical spec; null: as the schema of the topic says. */
  readonly format: string | null;
  /** The format is CSV whose columns are named by a header line; null: it is not. */
  readonly csvHeader: HeaderKind | null;
  /** What comes this soon after opening is discarded, and nothing is written: boards reset when they are opened. */
  readonly settleMs: number;
  /** After so long without a byte the port is opened anew; null: never. */
  readonly silenceMs: number | null;
  /** Each frame is answered `ACK n` after its commit, or `NAK n code`. */
  readonly ack: boolean;
  /** MQTT clients that may write to the port. */
  readonly downlink: readonly string[];
}
