/** From a schema's words to the line protocol that InfluxDB gets. */
import { expect, test } from 'vitest';
import { accountOf, startGateway, untilDrained } from '../support/gateway-process.ts';
import { startInfluxFront } from '../support/influx-front.ts';
import { RawMqtt } from '../support/raw-mqtt.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { writeSchemas } from '../support/test-schemas.ts';

const number = { type: 'number' };

const SCHEMAS = [
  {
    $id: 'press.v1',
    telemetry: { measurement: 'press', topics: ['plant/{line}/{device}/{field}'], tags: ['line'] },
    type: 'object',
    properties: {
      temperature: { ...number, maximum: 500 },
      strokes: { type: 'integer' },
      running: { type: 'boolean' },
    },
  },
  {
    $id: 'meter.v1',
    telemetry: {
      measurement: 'meter',
      topics: ['meters/{device}'],
      select: { v: 1 },
      time: { property: 't', unit: 's' },
    },
    type: 'object',
    properties: {
      v: { type: 'integer' },
      t: { type: 'integer' },
      p: { ...number, field: 'power', unit: 'W' },
    },
  },
  {
    $id: 'meter.v2',
    telemetry: {
      measurement: 'meter',
      topics: ['meters/{device}'],
      select: { v: 2 },
      time: { property: 't', unit: 'iso' },
      constants: { model: 'two' },
    },
    type: 'object',
    properties: {
      v: { type: 'integer' },
      t: { type: 'string' },
      kilowatts: { ...number, field: 'kw' },
      phase: { type: 'object', properties: { a: number, b: { type: ['number', 'null'] } } },
    },
  },
  {
    $id: 'probe.v1',
    telemetry: {
      measurement: 'probe',
      topics: ['probes/{site}/{device}'],
      tags: ['site'],
      constants: { vendor: 'Acme Ltd' },
      time: { property: 'age', kind: 'age', unit: 's' },
    },
    type: 'object',
    properties: {
      age: { type: 'integer' },
      depth: { ...number, missing: [null, 'nan', -127] },
      note: { type: 'string' },
    },
  },
];

/** Without the trailing timestamp. */
function withoutTime(line: string): string {
  return line.replace(/ \d+$/, '');
}

test('bare values, selected versions, renamed fields, constants, ages, ISO times and missing values', async () => {
  const front = await startInfluxFront();
  const gateway = await startGateway({
    config: {
      schemas: writeSchemas(temporaryFolder('schemas'), ...SCHEMAS),
      sinks: [{ name: 'influx', type: 'influxdb', url: front.url, version: 1, database: 't' }],
    },
  });
  const client = await RawMqtt.connect({ port: gateway.port, clientId: 'c' });
  const sendAt = Date.now();
  const cases: readonly (readonly [
    topic: string,
    payload: string,
    line: string,
    ns: string | number | null,
  ])[] = [
    ['plant/line1/press3/temperature', '21.5', 'press,device=press3,line=line1 temperature=21.5', null],
    ['plant/line1/press3/strokes', '42', 'press,device=press3,line=line1 strokes=42i', null],
    ['plant/line 2/press,4/running', 'true', 'press,device=press\\,4,line=line\\ 2 running=true', null],
    ['meters/m1', '{"v":1,"t":1700000000,"p":12}', 'meter,device=m1 power=12,v=1i', '1700000000'],
    [
      'meters/m1',
      '{"v":2,"t":"2023-11-14T22:13:20.5Z","kilowatts":0.012,"phase":{"a":1,"b":null}}',
      'meter,device=m1,model=two kw=0.012,phase_a=1,v=2i',
      '17000000005',
    ],
    [
      'probes/north/p1',
      '{"age":60,"depth":3.25,"note":"a \\"b\\" \\\\"}',
      'probe,device=p1,site=north,vendor=Acme\\ Ltd depth=3.25,note="a \\"b\\" \\\\"',
      sendAt - 60_000,
    ],
    [
      'probes/north/p2',
      '{"age":0,"depth":-127,"note":"dry"}',
      'probe,device=p2,site=north,vendor=Acme\\ Ltd note="dry"',
      sendAt,
    ],
  ];
  for (const [topic, payload] of cases) await client.publish(topic, payload);
  await untilDrained(gateway, 'influx');
  const written = front.lines();
  expect(written.map((line) => fieldsSorted(withoutTime(line)))).toEqual(
    cases.map(([, , line]) => fieldsSorted(line)),
  );
  for (const [i, [, , , ns]] of cases.entries()) {
    const time = / (\d+)$/.exec(written[i] ?? '')?.[1] ?? '';
    if (typeof ns === 'string') expect(time.startsWith(ns), `${time} begins with ${ns}`).toBe(true);
    else expect(Math.abs(Number(time.slice(0, 13)) - (ns ?? sendAt))).toBeLessThan(30_000);
    expect(time).toHaveLength(19);
  }

  await client.publish('plant/line1/press3/temperature', '999');
  await client.publish('meters/m1', '{"v":3,"t":1}');
  await client.publish('nobody/claims/this', 'x');
  const { total } = await accountOf(gateway);
  expect(total).toEqual({
    received: cases.length + 3,
    stored: cases.length,
    duplicate: 0,
    rejected: 2,
    forwarded: 1,
    refused: 0,
  });
  client.destroy();
  expect(await gateway.stop()).toBe(0);
  await front.close();
});

/** The order of fields carries no meaning; tags are sorted already. No field of these cases has a comma or space. */
function fieldsSorted(line: string): string {
  const at = /(?<!\\) /.exec(line)?.index ?? line.length;
  return `${line.slice(0, at)} ${line
    .slice(at + 1)
    .split(',')
    .sort((a, b) => a.localeCompare(b))
    .join(',')}`;
}
