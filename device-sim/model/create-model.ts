import type { Model, ModelDevice, Scenario } from '../contracts.ts';
import { createDeviceModel } from './device-model.ts';
import { createFleetModel, type FleetModel } from './fleet-model.ts';
import type { ReadingSchema } from './reading-schemas.ts';
import { createSchemaModel, type SchemaModel } from './schema-model.ts';

/**
 * The devices of a scenario, fleet after fleet. What each says depends on the seed, its place among the devices, the
 * number of the reading and the offset it is asked for; when the run started only goes into times and identities.
 *
 * @param startMs since 1970; a whole number
 * @throws Error in words where a fleet names a schema that is not there, or one of which no device can be made
 */
export function createModel(scenario: Scenario, schemas: readonly ReadingSchema[], startMs: number): Model {
  const models = new Map<ReadingSchema, SchemaModel>();
  const modelOf = (schema: ReadingSchema): SchemaModel => {
    const known = models.get(schema) ?? createSchemaModel(schema, schemas);
    models.set(schema, known);
    return known;
  };
  const devices: ModelDevice[] = [];
  for (const [fleetIndex, fleet] of scenario.fleets.entries()) {
    const spoken = fleet.schema === null ? schemas : schemas.filter(({ $id }) => $id === fleet.schema);
    if (spoken.length === 0) {
      const known = schemas.map(({ $id }) => $id).join(', ');
      throw new Error(
        `fleet ${fleet.name} has no schema${fleet.schema === null ? '' : ` "${fleet.schema}"`}; there are: ${known}`,
      );
    }
    const first = devices.length;
    const shared = new Map<ReadingSchema, FleetModel>();
    const sharedOf = (schema: ReadingSchema): FleetModel => {
      const known =
        shared.get(schema) ?? createFleetModel(modelOf(schema), fleet, fleetIndex, Math.floor(startMs));
      shared.set(schema, known);
      return known;
    };
    const together = fleet.link.kind === 'mqtt' ? Math.max(1, fleet.link.devicesPerConnection) : 1;
    for (let i = 0; i < fleet.devices; i += 1) {
      const schema = spoken[i % spoken.length];
      if (schema === undefined) continue;
      devices.push(
        createDeviceModel({
          shared: sharedOf(schema),
          index: first + i,
          indexInSchema: Math.floor(i / spoken.length),
          connectionIndex: first + i - (i % together),
          connectionName: devices[first + i - (i % together)]?.name ?? null,
          username: scenario.username,
          seed: scenario.seed,
        }),
      );
    }
  }
  return { devices };
}
