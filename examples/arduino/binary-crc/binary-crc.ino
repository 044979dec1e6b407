// Four readings a second as binary frames. Each is sent again until the gateway says that it is on disk.
//
//   A5 5A  0C  boot (u32)  seq (u32)  temperature (i16, 0.01 °C)  humidity (u16, 0.01 %)  CRC-16 (u16)
//
// All numbers with the low byte first; 0C is the length of what is between it and the CRC. The CRC is over all before it:
// polynomial 1021, from FFFF ("crc16-ccitt"). The gateway answers with lines of text:
//
//   ACK 42              the reading with seq 42 is on disk: it is forgotten here
//   NAK 42 invalid      it was rejected, and is on disk as that: forgotten too, sending it again would not help
//   NAK 42 store-full   it was not taken (also store-unavailable, stopping, internal): it is sent again later
//
// A0: TMP36 temperature sensor. A1: HIH-4030 humidity sensor. Both on 5 V.

#include <EEPROM.h>
#include <avr/sleep.h>
#include <util/crc16.h>

const uint32_t PERIOD_MS = 250;
const uint32_t RESEND_MS = 1000;
const uint32_t REFUSED_MS = 5000;
// After a start nothing is sent for a while: answers that come then are for readings of the start before, whose numbers
// were the same.
const uint32_t QUIET_MS = 2000;
const float SUPPLY_V = 5.0;

struct __attribute__((packed)) Record {
  uint32_t boot;
  uint32_t seq;
  int16_t temperature;
  uint16_t humidity;
};

struct Open {
  Record record;
  uint32_t dueMs;
};

// Readings that are not on disk yet, 12 s of them. When there are more the oldest is given up; the gap in `seq` tells.
const uint8_t CAPACITY = 48;
Open waiting[CAPACITY];
uint8_t count = 0;

uint32_t boot;
uint32_t seq = 0;
uint32_t nextMs = QUIET_MS;
bool isQuiet = true;

// Counts the starts, so that `boot` and `seq` together never come twice. The highest byte is written first: if the power
// fails in between, the number that is left is too high, and never one that was used before.
uint32_t countBoot() {
  uint32_t starts;
  EEPROM.get(0, starts);
  starts += 1;  // A new EEPROM holds 0xFFFFFFFF: the first start is 0.
  for (int8_t at = 3; at >= 0; at -= 1) EEPROM.update(at, starts >> (8 * at));
  return starts;
}

float volts(uint8_t pin) {
  uint16_t sum = 0;
  for (uint8_t i = 0; i < 16; i += 1) sum += analogRead(pin);
  return sum * (SUPPLY_V / 16 / 1024);
}

void sendFrame(const Record &record) {
  uint8_t frame[3 + sizeof(Record) + 2] = {0xA5, 0x5A, sizeof(Record)};
  memcpy(frame + 3, &record, sizeof record);
  uint16_t crc = 0xFFFF;
  for (uint8_t i = 0; i < sizeof frame - 2; i += 1) crc = _crc_xmodem_update(crc, frame[i]);
  frame[sizeof frame - 2] = crc;
  frame[sizeof frame - 1] = crc >> 8;
  Serial.write(frame, sizeof frame);
}

void forget(uint8_t at) {
  count -= 1;
  memmove(&waiting[at], &waiting[at + 1], (count - at) * sizeof(Open));
}

void takeReading() {
  if (count == CAPACITY) forget(0);
  Open &open = waiting[count];
  count += 1;
  open.record.boot = boot;
  open.record.seq = seq;
  open.record.temperature = lround((volts(A0) - 0.5) * 10000);
  open.record.humidity = lround(constrain((volts(A1) / SUPPLY_V - 0.16) / 0.0062, 0, 100) * 100);
  open.dueMs = millis();
  seq += 1;
}

void takeAnswer(char *line) {
  bool isAck = strncmp_P(line, PSTR("ACK "), 4) == 0;
  if (!isAck && strncmp_P(line, PSTR("NAK "), 4) != 0) return;
  char *code;
  uint32_t number = strtoul(line + 4, &code, 10);
  if (code == line + 4) return;  // "#5": the gateway could not tell which one it was.
  bool isRefused = !isAck && (strncmp_P(code, PSTR(" sto"), 4) == 0 || strncmp_P(code, PSTR(" int"), 4) == 0);
  for (uint8_t at = 0; at < count; at += 1) {
    if (waiting[at].record.seq != number) continue;
    if (isRefused) waiting[at].dueMs = millis() + REFUSED_MS;
    else forget(at);
    return;
  }
}

void readAnswers() {
  static char line[32];
  static uint8_t length = 0;
  while (Serial.available() > 0) {
    char c = Serial.read();
    if (c != '\n') {
      if (length < sizeof line - 1) line[length] = c;
      if (length < sizeof line) length += 1;
      continue;
    }
    // One that was too long is none.
    if (length < sizeof line && !isQuiet) {
      line[length] = 0;
      takeAnswer(line);
    }
    length = 0;
  }
}

void setup() {
  Serial.begin(115200);
  boot = countBoot();
}

void loop() {
  readAnswers();
  uint32_t nowMs = millis();
  if ((int32_t)(nowMs - nextMs) >= 0) {
    isQuiet = false;
    nextMs += PERIOD_MS;
    takeReading();
  }
  for (uint8_t at = 0; at < count; at += 1) {
    if ((int32_t)(millis() - waiting[at].dueMs) < 0) continue;
    // What does not fit is sent in a later turn: writing would wait, and answers be lost meanwhile.
    if (Serial.availableForWrite() < (int)sizeof(Record) + 5) break;
    sendFrame(waiting[at].record);
    waiting[at].dueMs = millis() + RESEND_MS;
  }
  // Idles until the next interrupt: the clock of millis() brings one each millisecond.
  set_sleep_mode(SLEEP_MODE_IDLE);
  sleep_mode();
}
