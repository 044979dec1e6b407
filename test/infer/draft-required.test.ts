import { describe, expect, test } from 'vitest';
import { draftOf, infer, messageOf, NOW_MS, readUnder } from './inference.ts';

const SENT = Array.from({ length: 12 }, (_, i) => ({
  topic: 'x/d1',
  payload: JSON.stringify({
    ts: NOW_MS,
    room: i % 2 === 0 ? 'hall' : 'attic',
    t: i + 0.5,
    Wifi: { RSSI: -60 },
  }),
}));
const families = infer(SENT);
const read = (reading: unknown) => readUnder(families, [messageOf('x/d1', JSON.stringify(reading))])[0];

describe('what every reading had', () => {
  test('is required only where it makes a tag', () => {
    const { required, telemetry } = draftOf(families, 'x/{device}');
    expect(telemetry).toMatchObject({ tags: ['room'], time: { property: 'ts' } });
    expect(required).toEqual(['room']);
    expect(read({ t: 1 })).toContain('invalid [{"pointer":"/room","message":"is required');
  });

  test('may be missing where it is a field, or the time: then that of arrival counts', () => {
    expect(read({ room: 'hall', t: 1 })).toMatch(/^x,device=d1,room=hall t=1 1772366400000\d{6}$/);
    expect(read({ room: 'hall', ts: NOW_MS, Wifi: { RSSI: -70 } })).toMatch(
      /^x,device=d1,room=hall Wifi_RSSI=-70 /,
    );
  });

  test.each(['ts', 'room', 't', 'Wifi'])('may be null: %s', (name) => {
    expect(read({ ts: NOW_MS, room: 'hall', t: 1, Wifi: { RSSI: -60 }, [name]: null })).toMatch(
      /^x,device=d1.* 1772366400000\d{6}$/,
    );
  });

  test('may be empty where it is a tag', () => {
    expect(read({ ts: NOW_MS, room: '', t: 1 })).toMatch(/^x,device=d1 t=1 /);
  });

  test('is required where it names the device', () => {
    const named = infer(
      Array.from({ length: 6 }, (_, i) => ({ topic: 'uplink', payload: `{"id":"a${i % 3}","v":${i}.5}` })),
    );
    expect(draftOf(named, 'uplink').required).toEqual(['id']);
  });
});
