import { expect, test } from 'vitest';
import { until } from './processes.ts';
import { mosquittoPub, startInfluxd, startMosquitto, startVictoriaMetrics } from './servers.ts';
import { describeWith } from './services.ts';

describeWith(['influxd'], 'InfluxDB as a test server', () => {
  test('answers, keeps its data over kill and restart, and ends', async () => {
    const influx = await startInfluxd();
    await influx.createDatabase('t');
    const write = await fetch(`${influx.url}/write?db=t`, {
      method: 'POST',
      body: 'm,device=a v=1 1000\nm,device=b v=2 2000',
    });
    expect(write.status).toBe(204);
    await influx.kill();
    await influx.restart();
    expect(await influx.count('t', 'm', 'v')).toBe(2);
    expect(await influx.query('SELECT * FROM m', 't')).toEqual([
      { time: 1000, device: 'a', v: 1 },
      { time: 2000, device: 'b', v: 2 },
    ]);
    await influx.stop();
    await expect(fetch(`${influx.url}/ping`)).rejects.toThrow();
  });
});

describeWith(['victoria-metrics'], 'VictoriaMetrics as a test server', () => {
  test('takes line protocol and gives it back', async () => {
    const victoria = await startVictoriaMetrics();
    const write = await fetch(`${victoria.url}/api/v2/write?precision=ms`, {
      method: 'POST',
      body: `m,device=a v=1 ${Date.now()}`,
    });
    expect(write.status).toBe(204);
    const found = await until('the sample is found', async () => {
      const series = await victoria.export('{__name__="m_v"}');
      return series.length > 0 && series;
    });
    expect(found).toHaveLength(1);
    await victoria.stop();
  });
});

describeWith(['mosquitto', 'mosquitto_pub'], 'Mosquitto as a test server', () => {
  test('takes a message from mosquitto_pub', async () => {
    const mosquitto = await startMosquitto();
    await mosquittoPub(mosquitto.port, 'a/b', '1');
    await mosquitto.stop();
  });
});
