/**
 * What a Node user would build from the usual parts: subscribe at QoS 1, parse, validate with ajv, hand a Point to
 * the official client, which batches. Nothing is durable: it acknowledges before InfluxDB has anything.
 */
import { InfluxDB, Point } from '@influxdata/influxdb-client';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { connectAsync } from 'mqtt';

const [, , brokerUrl = '', influxUrl = '', database = ''] = process.argv;

interface Environment {
  readonly ts: number;
  readonly temperature: number;
  readonly humidity: number;
  readonly pressure: number;
  readonly seq: number;
}

const valid = new Ajv2020().compile<Environment>({
  type: 'object',
  required: ['temperature'],
  properties: {
    ts: { type: 'integer' },
    temperature: { type: 'number', minimum: -60, maximum: 125 },
    humidity: { type: 'number', minimum: 0, maximum: 100 },
    pressure: { type: 'number', minimum: 300, maximum: 1200 },
    seq: { type: 'integer' },
  },
});

const writer = new InfluxDB({ url: influxUrl }).getWriteApi('', database, 'ms', {
  batchSize: 5000,
  flushInterval: 1000,
});
writer.path = `/write?db=${encodeURIComponent(database)}&precision=ms`;

const client = await connectAsync(brokerUrl, { clientId: 'node-stack' });
client.on('message', (topic, payload) => {
  const reading: unknown = JSON.parse(payload.toString());
  if (!valid(reading)) return;
  writer.writePoint(
    new Point('environment')
      .tag('device', topic.split('/')[1] ?? '')
      .floatField('temperature', reading.temperature)
      .floatField('humidity', reading.humidity)
      .floatField('pressure', reading.pressure)
      .intField('seq', reading.seq)
      .timestamp(reading.ts),
  );
});
await client.subscribeAsync('sensors/+/environment', { qos: 1 });
process.stderr.write('ready\n');
