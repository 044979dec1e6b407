/** What cannot stand in a topic level (MQTT 3.1.1, 4.7), and the sign by which it is written instead. */
const UNFIT = /[%/+#\ufffd]|\p{Cc}|\p{Surrogate}/gu;

/**
 * Where the state of a device is told: `gateway/devices/{device}/state`. In its name `%`, `/`, `+`, `#`, control characters
 * and what is no valid Unicode are percent-encoded as UTF-8, so that every device has a topic of its own, and
 * `decodeURIComponent` of the level is its name.
 */
export function deviceStateTopic(device: string): string {
  return `gateway/devices/${device.replace(UNFIT, percentEncoded)}/state`;
}

function percentEncoded(character: string): string {
  return Buffer.from(character).toString('hex').toUpperCase().replace(/../g, '%$&');
}
