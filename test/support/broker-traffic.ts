/** Traffic as usual firmware and bridges send it, for tests of what is made of it. */
export interface Sent {
  readonly topic: string;
  readonly payload: string;
  readonly retain: boolean;
}

export interface TrafficOptions {
  /** Each device sends so often. */
  readonly rounds: number;
  /** The first round; then one every ten seconds. */
  readonly startMs: number;
  /** Bare values are numbers, always. */
  readonly withoutNan?: true;
}

function sent(topic: string, payload: unknown, retain = false): Sent {
  return { topic, payload: typeof payload === 'string' ? payload : JSON.stringify(payload), retain };
}

/** What repeats: a number from `low` to `high` for a place and a round. */
function wave(place: number, round: number, low: number, high: number): number {
  const part = (Math.sin(place * 7.3 + round * 0.9) + 1) / 2;
  return Math.round((low + part * (high - low)) * 10) / 10;
}

function rounds(
  { rounds: n, startMs }: TrafficOptions,
  each: (round: number, atMs: number) => readonly Sent[],
): readonly Sent[] {
  return Array.from({ length: n }, (_, round) => each(round, startMs + round * 10_000)).flat();
}

/** One JSON document for each reading, with its time, on a topic that names site and device. */
export function plainJson(options: TrafficOptions): readonly Sent[] {
  return rounds(options, (round, atMs) =>
    ['berlin/a1', 'berlin/a2', 'paris/b1', 'paris/b2', 'paris/b3'].map((place, i) =>
      sent(`site/${place}/air`, {
        ts: atMs,
        temperature: wave(i, round, 15, 28),
        humidity: wave(i, round, 30, 70),
        co2: 400 + Math.round(wave(i, round, 0, 900)),
        room: i % 2 === 0 ? 'office' : 'hall',
        seq: round,
      }),
    ),
  );
}

/** A value for each topic, as controllers of machines send them. */
export function bareValues(options: TrafficOptions): readonly Sent[] {
  return rounds(options, (round) =>
    [1, 2].flatMap((line) =>
      [1, 2, 3].flatMap((press) => [
        sent(`plant/line${line}/press${press}/temperature`, String(wave(press, round, 20, 80))),
        sent(`plant/line${line}/press${press}/pressure`, String(wave(press, round, 2, 8))),
        sent(`plant/line${line}/press${press}/running`, round % 3 === 0 ? 'OFF' : 'ON'),
      ]),
    ),
  );
}

/** Tasmota: local time without a zone (UTC here), telemetry, states, last will and results of commands. */
export function tasmota(options: TrafficOptions): readonly Sent[] {
  const time = (atMs: number): string => new Date(atMs).toISOString().slice(0, 19);
  return rounds(options, (round, atMs) =>
    ['tasmota_0A1B2C', 'tasmota_3D4E5F', 'boiler'].flatMap((device, i) => [
      sent(`tele/${device}/LWT`, 'Online', true),
      sent(`tele/${device}/STATE`, {
        Time: time(atMs),
        Uptime: `0T00:${String(round % 60).padStart(2, '0')}:10`,
        UptimeSec: 10 + round * 10,
        Heap: 25,
        SleepMode: 'Dynamic',
        LoadAvg: 19,
        MqttCount: 1,
        POWER: round % 2 === 0 ? 'ON' : 'OFF',
        Wifi: { AP: 1, SSId: 'home', Channel: 6, RSSI: 70 + i, Signal: -60 - i, Downtime: '0T00:00:03' },
      }),
      sent(
        `tele/${device}/SENSOR`,
        device === 'boiler'
          ? {
              Time: time(atMs),
              ENERGY: {
                TotalStartTime: '2024-01-01T00:00:00',
                Total: 12.3 + round,
                Power: wave(i, round, 0, 2000),
                Voltage: 230,
                Current: wave(i, round, 0, 9),
                Factor: 0.9,
              },
            }
          : {
              Time: time(atMs),
              AM2301: {
                Temperature: wave(i, round, 15, 25),
                Humidity: wave(i, round, 40, 60),
                DewPoint: wave(i, round, 5, 12),
              },
              TempUnit: 'C',
            },
      ),
      sent(`stat/${device}/RESULT`, { POWER: round % 2 === 0 ? 'ON' : 'OFF' }),
      sent(`stat/${device}/POWER`, round % 2 === 0 ? 'ON' : 'OFF'),
    ]),
  );
}

/** Zigbee2MQTT: devices of several kinds side by side, the bridge's own messages, and availability. */
export function zigbee2mqtt(options: TrafficOptions): readonly Sent[] {
  const bridge = [
    sent('zigbee2mqtt/bridge/state', { state: 'online' }, true),
    sent(
      'zigbee2mqtt/bridge/info',
      { version: '1.40.0', config: { mqtt: { base_topic: 'zigbee2mqtt' } } },
      true,
    ),
    sent('zigbee2mqtt/bridge/devices', [{ ieee_address: '0x00124b0001abcdef', type: 'Coordinator' }], true),
    sent(
      'homeassistant/sensor/0x00158d0001a2b3c4/temperature/config',
      { name: 'temperature', state_topic: 'zigbee2mqtt/cellar' },
      true,
    ),
  ];
  const devices = rounds(options, (round) => [
    ...['cellar', 'attic', '0x00158d0001a2b3c4'].map((device, i) =>
      sent(
        `zigbee2mqtt/${device}`,
        {
          battery: 91 - i,
          humidity: wave(i, round, 40, 60),
          linkquality: 80 + i,
          pressure: 1000 + Math.round(wave(i, round, 0, 20)),
          temperature: wave(i, round, 10, 20),
          voltage: 2985,
          last_seen: new Date(options.startMs + round * 10_000).toISOString(),
        },
        true,
      ),
    ),
    sent('zigbee2mqtt/heater plug', {
      state: round % 2 === 0 ? 'ON' : 'OFF',
      power: wave(7, round, 0, 1500),
      current: wave(7, round, 0, 7),
      energy: 3.4 + round / 10,
      linkquality: 120,
      update: { state: 'idle', installed_version: 268513381, latest_version: 268513381 },
      update_available: null,
    }),
    sent('zigbee2mqtt/front door', {
      contact: round % 2 === 0,
      battery: 100,
      linkquality: 60,
      voltage: 3100,
    }),
  ]);
  const available = ['cellar', 'attic', 'heater plug', 'front door'].map((device) =>
    sent(`zigbee2mqtt/${device}/availability`, { state: 'online' }, true),
  );
  return [...bridge, ...devices, ...available];
}

/** ESPHome: a bare value for each entity, under the name of the node. */
export function espHome(options: TrafficOptions): readonly Sent[] {
  return rounds(options, (round) =>
    ['weatherstation', 'garage'].flatMap((node, i) => [
      sent(`${node}/status`, 'online', true),
      sent(`${node}/sensor/${node}_temperature/state`, String(wave(i, round, -5, 25)), true),
      sent(
        `${node}/sensor/${node}_humidity/state`,
        round === 1 && options.withoutNan !== true ? 'nan' : String(wave(i, round, 40, 90)),
        true,
      ),
      sent(`${node}/sensor/wifi_signal/state`, String(-60 - i), true),
      sent(`${node}/binary_sensor/door/state`, round % 2 === 0 ? 'ON' : 'OFF', true),
      sent(`${node}/switch/relay/state`, 'OFF', true),
      sent(`${node}/debug`, `[D][sensor:093]: sending state ${round}`),
    ]),
  );
}
