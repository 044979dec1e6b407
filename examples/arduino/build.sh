#!/bin/sh
# Compiles the sketches for an ATmega328P at 16 MHz (Uno, Nano), with Debian's gcc-avr, avr-libc and arduino-core-avr.
# Each .hex goes beside its source, or into the folder that is given: build.sh [FOLDER]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
arduino=${ARDUINO_AVR:-/usr/share/arduino/hardware/arduino/avr}
if ! command -v avr-g++ >/dev/null 2>&1 || [ ! -d "$arduino/cores/arduino" ]; then
  echo 'build.sh: install gcc-avr, avr-libc and arduino-core-avr' >&2
  exit 1
fi
objects=$(mktemp -d)
trap 'rm -rf "$objects"' EXIT INT TERM

# Debian's avr-libc does not define DECIMAL_DIG for C++.
both="-mmcu=atmega328p -DF_CPU=16000000L -DARDUINO=10819 -DARDUINO_AVR_UNO -DARDUINO_ARCH_AVR
  -DDECIMAL_DIG=__DECIMAL_DIG__ -I$arduino/cores/arduino -I$arduino/variants/standard -I$arduino/libraries/EEPROM/src
  -Os -ffunction-sections -fdata-sections"
cxx="-std=gnu++11 -fno-exceptions -fno-threadsafe-statics -fpermissive"

cd "$arduino/cores/arduino"
# What the sketches do not use, the linker leaves out.
# shellcheck disable=SC2086 # flags, one word each
{
  for source in wiring.c wiring_analog.c wiring_digital.c hooks.c; do
    avr-gcc -std=gnu11 $both -w -c "$source" -o "$objects/$source.o"
  done
  for source in main.cpp Print.cpp Stream.cpp WString.cpp HardwareSerial.cpp HardwareSerial0.cpp abi.cpp new.cpp; do
    avr-g++ $cxx $both -w -c "$source" -o "$objects/$source.o"
  done
  for sketch in json-line binary-crc; do
    out=${1:-$here/$sketch}
    avr-g++ $cxx $both -Wall -Wextra -x c++ -include Arduino.h -c "$here/$sketch/$sketch.ino" -o "$objects/sketch"
    avr-gcc -mmcu=atmega328p -Os -Wl,--gc-sections "$objects/sketch" "$objects"/*.o -lm -o "$objects/elf"
    avr-objcopy -O ihex -R .eeprom "$objects/elf" "$out/$sketch.hex"
    avr-size "$objects/elf"
  done
}
