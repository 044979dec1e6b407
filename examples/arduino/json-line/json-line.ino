// One reading a second as one line of JSON:
//
//   {"boot":7,"seq":42,"temperature":21.48,"humidity":40.25}
//
// A0: TMP36 temperature sensor. A1: HIH-4030 humidity sensor. Both on 5 V.

#include <EEPROM.h>
#include <avr/sleep.h>

const uint32_t PERIOD_MS = 1000;
const float SUPPLY_V = 5.0;

uint32_t boot;
uint32_t seq = 0;
uint32_t nextMs = 0;

// Counts the starts, so that `boot` and `seq` together never come twice. The highest byte is written first: if the power
// fails in between, the number that is left is too high, and never one that was used before.
uint32_t countBoot() {
  uint32_t count;
  EEPROM.get(0, count);
  count += 1;  // A new EEPROM holds 0xFFFFFFFF: the first start is 0.
  for (int8_t at = 3; at >= 0; at -= 1) EEPROM.update(at, count >> (8 * at));
  return count;
}

float volts(uint8_t pin) {
  uint16_t sum = 0;
  for (uint8_t i = 0; i < 16; i += 1) sum += analogRead(pin);
  return sum * (SUPPLY_V / 16 / 1024);
}

void setup() {
  Serial.begin(115200);
  boot = countBoot();
  // Ends a line that a reset cut off, so that the first reading is not glued to its remains.
  Serial.print('\n');
}

void loop() {
  // Idles until the next interrupt: the clock of millis() brings one each millisecond.
  set_sleep_mode(SLEEP_MODE_IDLE);
  sleep_mode();
  if ((int32_t)(millis() - nextMs) < 0) return;
  nextMs += PERIOD_MS;

  float temperature = (volts(A0) - 0.5) * 100;
  float humidity = constrain((volts(A1) / SUPPLY_V - 0.16) / 0.0062, 0, 100);
  Serial.print(F("{\"boot\":"));
  Serial.print(boot);
  Serial.print(F(",\"seq\":"));
  Serial.print(seq);
  Serial.print(F(",\"temperature\":"));
  Serial.print(temperature, 2);
  Serial.print(F(",\"humidity\":"));
  Serial.print(humidity, 2);
  Serial.print(F("}\n"));
  seq += 1;
}
