/** The commands as a shell runs them, in a folder of their own; beside a gateway, or where none runs. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CommandIo } from '../../gateway/commands/command-io.ts';
import type { CommandParts } from '../../gateway/commands/command-parts.ts';
import { runProgram } from '../../gateway/commands/run-program.ts';
import { createDispatch } from '../../gateway/control/dispatch.ts';
import { type Door, openDoor } from '../../gateway/control/door.ts';
import { createFormats } from '../../gateway/formats/formats.ts';
import { loadReadings } from '../../gateway/readings/load-schemas.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type FakeOperations, fakeOperations } from './fake-operations.ts';

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface World {
  readonly input?: string;
  readonly parts?: Partial<CommandParts>;
  readonly log?: (text: string) => void;
  readonly isTerminal?: boolean;
}

export interface CommandWorld {
  readonly cwd: string;
  run(args: readonly string[], world?: World): Promise<Ran>;
  /** A gateway that runs on the data folder, as far as commands can tell. */
  running(operations?: FakeOperations): Promise<FakeOperations>;
  stopRunning(): Promise<void>;
}

export function commandWorld(): CommandWorld {
  const doors: Door[] = [];
  const cwd = temporaryFolder('commands');
  // Ports that the system chooses: `check` looks whether they are free.
  writeFileSync(join(cwd, 'gateway.yaml'), 'mqtt: { listeners: [{ port: 0 }] }\nhttp: { port: 0 }\n');
  return {
    cwd,
    async run(args, world = {}) {
      let out = '';
      let err = '';
      const io: CommandIo = {
        cwd,
        environment: {},
        pid: 99,
        version: '1.2.3',
        nodeVersion: 'v20',
        isTerminal: world.isTerminal ?? false,
        stopSignal: () => AbortSignal.abort('SIGTERM'),
        write: (text) => {
          out += text;
        },
        writeError: (text) => {
          err += text;
        },
        readInput: async () => (world.input === undefined ? null : Buffer.from(world.input)),
      };
      const parts: CommandParts = {
        runGateway: async () => undefined,
        loadReadings: (config) => loadReadings(config.schemasDir),
        createFormats: () => createFormats(),
        openStore: async () => null,
        probeSink: async () => null,
        probeBroker: async () => null,
        fieldTypeProblems: async () => null,
        ...world.parts,
      };
      const code = await runProgram(args, io, parts, { write: (text) => world.log?.(text) });
      return { code, out, err };
    },
    async running(operations = fakeOperations()) {
      const door = await openDoor(join(cwd, 'data'), { pid: 4711, onFailure: () => undefined });
      doors.push(door);
      door.serve(createDispatch(operations));
      return operations;
    },
    async stopRunning() {
      await Promise.all(doors.splice(0).map((door) => door.close()));
    },
  };
}
