/** What a value is, told by its name. */
export interface Quantity {
  /** As schemas have it (UCUM or SenML); null: none. */
  readonly unit: string | null;
  /** Limits of nature, or of the scale: what is outside is no value. Null: none. */
  readonly minimum: number | null;
  readonly maximum: number | null;
}

const ABSOLUTE_ZERO_CELSIUS = -273.15;

function quantity(
  unit: string | null,
  minimum: number | null = null,
  maximum: number | null = null,
): Quantity {
  return { unit, minimum, maximum };
}

const CELSIUS = quantity('Cel', ABSOLUTE_ZERO_CELSIUS);
const PERCENT = quantity('%', 0, 100);

const COLOR_TEMPERATURE = /(?:^| )colou?r temp(?:erature)?(?: startup)?$/;
/** No lamp has so many mired, and none so few kelvins. */
const LEAST_KELVIN_OF_LAMPS = 1000;

/** By the last words of a name. The first that fits counts: what is said exactly comes before what is guessed. */
const BY_NAME: readonly (readonly [RegExp, Quantity])[] = [
  // In mired, of most lamps; UCUM has no such unit.
  [COLOR_TEMPERATURE, quantity(null)],
  [/(?:^| )(?:celsius|deg c|temp c|temperature c|degc)$/, CELSIUS],
  [/(?:^| )(?:fahrenheit|deg f|temp f|temperature f|degf)$/, quantity('[degF]', -459.67)],
  [/(?:^| )(?:kelvin|temperature k)$/, quantity('K', 0)],
  [/ hpa$/, quantity('hPa', 0)],
  [/ kpa$/, quantity('kPa')],
  [/ pa$/, quantity('Pa')],
  [/ mbar$/, quantity('mbar')],
  [/ bar$/, quantity('bar')],
  [/ (?:mv|millivolts?)$/, quantity('mV')],
  [/ (?:volts?|v)$/, quantity('V')],
  [/ (?:ma|milliamps?)$/, quantity('mA')],
  [/ (?:amps?|amperes?|a)$/, quantity('A')],
  [/ (?:kwh)$/, quantity('kWh')],
  [/ (?:wh)$/, quantity('Wh')],
  [/ (?:kw)$/, quantity('kW')],
  [/ (?:watts?|w)$/, quantity('W')],
  [/ (?:hz|hertz)$/, quantity('Hz')],
  [/ (?:ppm)$/, quantity('ppm', 0)],
  [/ (?:ppb)$/, quantity('ppb', 0)],
  [/ (?:lux|lx)$/, quantity('lx', 0)],
  [/ (?:dbm)$/, quantity('dBm', -200, 100)],
  [/ (?:db)$/, quantity('dB')],
  [/ (?:mm)$/, quantity('mm')],
  [/ (?:cm)$/, quantity('cm')],
  [/ (?:km)$/, quantity('km')],
  [/ (?:ms|millis|milliseconds)$/, quantity('ms')],
  [/ (?:secs?|seconds?)$/, quantity('s')],
  [/ (?:minutes?)$/, quantity('min')],
  [/ (?:rpm)$/, quantity('/min')],
  [/ (?:pct|percent|percentage)$/, PERCENT],
  [/(?:^| )(?:humidity|relative humidity|rh|hum)$/, quantity('%RH', 0, 100)],
  [/(?:^| )soil moisture$/, PERCENT],
  [/(?:^| )(?:battery voltage|voltage|volt|vcc|vbat|ubat)$/, quantity('V')],
  [/(?:^| )(?:battery|battery level|batt|soc)$/, PERCENT],
  [/(?:^| )(?:temperature|temp|dew ?point|temp in|temp out)$/, CELSIUS],
  [/(?:^| )(?:pressure|barometer|baro)$/, quantity(null, 0)],
  [/(?:^| )(?:apparent power)$/, quantity('VA')],
  [/(?:^| )(?:reactive power)$/, quantity('var')],
  [/(?:^| )(?:power|power w|active power|watt)$/, quantity('W')],
  [/(?:^| )(?:power factor|factor|cos phi)$/, quantity('1', -1, 1)],
  [/(?:^| )energy (?:total|today|yesterday|consumed|produced)$/, quantity('kWh')],
  [/(?:^| )(?:energy)$/, quantity('kWh')],
  [/(?:^| )(?:current|ampere)$/, quantity('A')],
  [/(?:^| )(?:frequency|freq)$/, quantity('Hz')],
  [/(?:^| )(?:illuminance lux|illuminance|lux|brightness lux)$/, quantity('lx', 0)],
  [/(?:^| )(?:co ?2|e ?co ?2|carbon dioxide)$/, quantity('ppm', 0)],
  [/(?:^| )(?:voc|tvoc)$/, quantity('ppb', 0)],
  [/(?:^| )(?:pm ?1|pm ?2 5|pm ?25|pm ?10)$/, quantity('ug/m3', 0)],
  [/(?:^| )(?:rssi|signal strength|signal)$/, quantity('dBm', -200, 100)],
  [/(?:^| )(?:snr)$/, quantity('dB')],
  [/(?:^| )(?:latitude|lat)$/, quantity('lat', -90, 90)],
  [/(?:^| )(?:longitude|lon|lng)$/, quantity('lon', -180, 180)],
  [/(?:^| )(?:altitude|elevation)$/, quantity('m')],
  [/(?:^| )(?:heading|wind direction|wind dir|bearing|azimuth)$/, quantity('deg', 0, 360)],
  [
    /(?:^| )(?:wind speed|speed|flow|flow rate|level|rain|rainfall|moisture|weight|distance|vibration)$/,
    quantity(null),
  ],
  [/(?:^| )(?:ph)$/, quantity('pH', 0, 14)],
  [/(?:^| )(?:uptime|uptime sec)$/, quantity('s', 0)],
  [/(?:^| )(?:uv index|uvi)$/, quantity('1', 0)],
  [/(?:^| )(?:noise|sound level)$/, quantity('dB')],
];

/** The words of a name in lower case: `DewPoint`, `dew_point` and `dew-point` are the same. */
export function wordsOf(name: string): string {
  return name
    .slice(0, 256)
    .replace(/([\p{Ll}\d])(\p{Lu})/gu, '$1 $2')
    .replace(/([\p{L}])(\d)/gu, '$1 $2')
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()
    .toLowerCase();
}

/** Null where the name says nothing. */
export function quantityOf(name: string): Quantity | null {
  const words = wordsOf(name);
  // A number behind a name counts things of a kind: `temperature2`, `DS18B20-1`.
  const plain = words.replace(/ \d{1,2}$/, '');
  const exact = find(words);
  return exact ?? (plain === words ? null : find(plain));
}

/** The name is that of a quantity and nothing else: `dew_point`, not `cellar-hpa`. */
export function isQuantityName(name: string): boolean {
  const words = wordsOf(name);
  return BY_NAME.some(([pattern]) => pattern.exec(words)?.[0].length === words.length);
}

function find(words: string): Quantity | null {
  return BY_NAME.find(([pattern]) => pattern.test(words))?.[1] ?? null;
}

/** What is known of a value by its name and what was seen of it. Limits that it did not keep are none of its own. */
export function quantityOfValues(name: string, smallest: number, largest: number): Quantity | null {
  const named = quantityOf(name);
  if (named === null) return null;
  if (named.unit === 'V' && smallest > 1000) return quantity('mV');
  if (smallest >= LEAST_KELVIN_OF_LAMPS && COLOR_TEMPERATURE.test(wordsOf(name))) return quantity('K', 0);
  // A scale from 0 to 100 that is called so says how good the signal is.
  if (named.unit === 'dBm' && smallest >= 0 && largest > 0) return null;
  const outside =
    (named.minimum !== null && smallest < named.minimum) ||
    (named.maximum !== null && largest > named.maximum);
  return outside ? null : named;
}

/** It counts: a whole number for ever. */
export function isCount(name: string): boolean {
  return /(?:^| )(?:seq|sequence|count|counter|cnt|boot|boots|boot count|uptime|uptime sec|heap|pulses|steps|restarts|fcnt|frame)$/.test(
    wordsOf(name),
  );
}
