/** aedes with nothing in its hooks: the ceiling of this stack. */
import { createServer } from 'node:net';
import { Aedes } from 'aedes';

const aedes = await Aedes.createBroker();
createServer(aedes.handle).listen(Number(process.argv[2]), '127.0.0.1', () =>
  process.stderr.write('ready\n'),
);
