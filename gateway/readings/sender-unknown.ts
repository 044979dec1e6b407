import type { Problem } from '../errors.ts';
import type { ReadingSchema } from './reading-schema.ts';
import { SENDER_REMEDY } from './series-words.ts';

/**
 * Schemas that take the device from whoever sent the reading, where readings also come from other brokers: those do not
 * say who that was, so their readings are rejected (`invalid`). What clients send to the gateway itself is well.
 */
export function senderProblems(schemas: readonly ReadingSchema[]): readonly Problem[] {
  return schemas.flatMap((schema) => {
    const { device } = schema.plan.series;
    if (device.kind !== 'message' || device.what === 'port') return [];
    return [
      schema.problem(
        '/telemetry/device',
        `names the device by its ${device.what}, which another broker does not tell: what comes from \`brokers:\` is rejected under this schema; ${SENDER_REMEDY}`,
      ),
    ];
  });
}

/**
 * Schemas whose repeats only the gateway recognises that stored the first: those with an identity. Where several share what
 * they read and are no peers, such a reading may be stored by two of them.
 */
export function shareProblems(schemas: readonly ReadingSchema[]): readonly Problem[] {
  return schemas.flatMap((schema) => {
    if (schema.plan.identity.length === 0) return [];
    return [
      schema.problem(
        '/telemetry/identity',
        'tells repeats only to the gateway that has the first, and `brokers:` shares what it reads with other gateways: list them under `peers:`, or a reading that is sent twice may be stored twice',
      ),
    ];
  });
}
