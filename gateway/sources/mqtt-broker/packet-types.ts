/** Types of MQTT control packets (MQTT 3.1.1, 2.2.1), as far as they are treated apart. */

export const CONNECT = 1;
export const PUBLISH = 3;
export const PUBREL = 6;
export const SUBSCRIBE = 8;
export const UNSUBSCRIBE = 10;
/** PUBACK, PUBREC, PUBCOMP: a packet id and nothing else (aedes would answer without one). */
export const ANSWERS: ReadonlySet<number> = new Set([4, 5, 7]);
/** What only a server sends, and what is no type at all. */
export const OUT_OF_PLACE: ReadonlySet<number> = new Set([0, 2, 9, 11, 13, 15]);
/** PUBREL with the flags it must have (MQTT 3.1.1, 3.6.1). */
export const PUBREL_FIRST_BYTE = 0x62;
