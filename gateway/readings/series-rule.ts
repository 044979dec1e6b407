/** Where the text of a tag comes from. */
export type TagSource =
  | { readonly kind: 'constant'; readonly text: string }
  | { readonly kind: 'capture'; readonly name: string }
  | { readonly kind: 'property'; readonly path: readonly string[] }
  | { readonly kind: 'message'; readonly what: 'clientId' | 'username' | 'port' }
  /** Of a message from another broker (MQTT 5); a tag only. */
  | { readonly kind: 'userProperty'; readonly name: string };

/** Where a schema has its readings stored. */
export interface SeriesRule {
  /** A name, or a capture. */
  readonly measurement: TagSource;
  readonly device: TagSource;
  /** Tag keys and where their texts come from; the device is among them where it is a tag. */
  readonly tags: ReadonlyMap<string, TagSource>;
}
