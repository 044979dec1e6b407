/** An Uno in this process: the real firmware, run by avr8js instruction by instruction, with its serial port, ADC and EEPROM. */
import { readFileSync } from 'node:fs';
import {
  AVRADC,
  AVREEPROM,
  AVRTimer,
  AVRUSART,
  adcConfig,
  avrInstruction,
  CPU,
  EEPROMMemoryBackend,
  timer0Config,
  usart0Config,
} from 'avr8js';
import type { PtyPair } from './pty-pair.ts';

const CLOCK_HZ = 16_000_000;
const FLASH_BYTES = 32_768;
const SRAM_BYTES = 2048;
const EEPROM_BYTES = 1024;
const SLEEP = 0x9588;
/** Then others in this process get their turn. */
const SLICE_CYCLES = CLOCK_HZ / 500;
const TURN_MS = 2;
/** What a busy machine has missed beyond this is not caught up with: time stands still for the board meanwhile. */
const MOST_BEHIND_S = 0.2;

export interface BoardOptions {
  /** Volts at A0, A1, … */
  readonly volts?: readonly number[];
  /** Seconds of the board in each second of the clock on the wall, at most. */
  readonly speed?: number;
}

export class AvrBoard {
  /** A byte leaves by the serial port. May call `reset`. */
  onByte: (byte: number) => void = () => undefined;
  /** After each stretch of running. */
  onTurn: () => void = () => undefined;
  readonly #flash: Uint16Array;
  readonly #eeprom = new EEPROMMemoryBackend(EEPROM_BYTES);
  readonly #volts: readonly number[];
  readonly #speed: number;
  #cpu: CPU;
  #usart: AVRUSART;
  #toReceive: number[] = [];
  #timer: NodeJS.Timeout | null = null;

  constructor(hexFile: string, { volts = [], speed = 1 }: BoardOptions = {}) {
    this.#flash = flashOf(readFileSync(hexFile, 'utf8'));
    this.#volts = volts;
    this.#speed = speed;
    ({ cpu: this.#cpu, usart: this.#usart } = this.#powerUp());
  }

  /** As by its button: everything but flash and EEPROM begins anew, also what was on its way in. */
  reset(): void {
    this.#toReceive = [];
    ({ cpu: this.#cpu, usart: this.#usart } = this.#powerUp());
  }

  /** Bytes come in by the serial port, as fast as its baud rate allows. */
  receive(bytes: string): void {
    this.#toReceive.push(...Buffer.from(bytes, 'latin1'));
    this.#feed();
  }

  /** Runs for so long by its own clock, at once. */
  run(seconds: number): void {
    for (let cycles = seconds * CLOCK_HZ; cycles > 0; ) cycles -= this.#runSlice(cycles);
  }

  /** Runs until `stop`. */
  start(): void {
    let lastMs = performance.now();
    let owedCycles = 0;
    this.#timer ??= setInterval(() => {
      const nowMs = performance.now();
      owedCycles += ((nowMs - lastMs) / 1000) * this.#speed * CLOCK_HZ;
      owedCycles = Math.min(owedCycles, MOST_BEHIND_S * this.#speed * CLOCK_HZ);
      lastMs = nowMs;
      while (owedCycles > 0 && performance.now() - nowMs < 10 * TURN_MS)
        owedCycles -= this.#runSlice(Math.min(owedCycles, SLICE_CYCLES));
      this.onTurn();
    }, TURN_MS);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #powerUp(): { readonly cpu: CPU; readonly usart: AVRUSART } {
    const cpu = new CPU(this.#flash, SRAM_BYTES);
    // The one of millis(). The others are PWM here, and cost more to run than the firmware.
    new AVRTimer(cpu, timer0Config);
    new AVREEPROM(cpu, this.#eeprom);
    const adc = new AVRADC(cpu, adcConfig);
    for (const [channel, volts] of this.#volts.entries()) adc.channelValues[channel] = volts;
    const usart = new AVRUSART(cpu, usart0Config, CLOCK_HZ);
    usart.onByteTransmit = (byte) => this.onByte(byte);
    usart.onRxComplete = () => this.#feed();
    return { cpu, usart };
  }

  #feed(): void {
    const [byte] = this.#toReceive;
    // While the port is not set up, or takes another byte, it waits.
    if (byte !== undefined && this.#usart.writeByte(byte)) this.#toReceive.shift();
  }

  /** How many cycles it took. The processor that sleeps until its next interrupt is there at once. */
  #runSlice(cycles: number): number {
    let done = 0;
    this.#feed();
    while (done < cycles) {
      const cpu = this.#cpu;
      const before = cpu.cycles;
      if (cpu.progMem[cpu.pc] === SLEEP && cpu.nextInterrupt < 0) sleepOn(cpu, before + cycles - done);
      else {
        avrInstruction(cpu);
        cpu.tick();
      }
      done += cpu.cycles - before;
    }
    return done;
  }
}

/** From one event of its clocks to the next, and out of the sleep by the first interrupt. */
function sleepOn(cpu: CPU, untilCycles: number): void {
  const at = cpu.pc;
  cpu.cycles = Math.max(cpu.cycles + 1, nextEventOf(cpu) ?? untilCycles);
  cpu.pc = at + 1;
  cpu.tick();
  if (cpu.pc === at + 1) cpu.pc = at;
}

/** Private there, and the only way to know how long nothing will happen. Null: for ever. */
function nextEventOf(cpu: CPU): number | null {
  const event: unknown = Reflect.get(cpu, 'nextClockEvent');
  return typeof event === 'object' && event !== null && 'cycles' in event ? Number(event.cycles) : null;
}

/** What happens to a board or its cable in the middle of a line or frame. */
export interface Disturbance {
  /** After so many bytes of it. */
  readonly after: number;
  readonly noise: Buffer;
  /** The board is reset behind the noise. */
  readonly reset: boolean;
}

/** The board on a cable: what it sends goes into the device's end, and lines that come out of there go to the board. */
export class BoardOnCable {
  /** A line came for the board. False: it is lost on its way. */
  onAnswer: (line: string) => boolean = () => true;
  /** The board sends a byte, whatever becomes of it. */
  onByte: (byte: number) => void = () => undefined;
  /** A line, or whatever `begins` tells apart, was sent in one piece; told when the next one begins. */
  onSent: (bytes: Buffer) => void = () => undefined;
  readonly #board: AvrBoard;
  readonly #cable: PtyPair;
  readonly #begins: (byte: number, before: number) => boolean;
  #sent: number[] = [];
  #isSpoilt: boolean = false;
  #outgoing: number[] = [];
  #disturbance: Disturbance | null = null;

  constructor(board: AvrBoard, cable: PtyPair, begins: (byte: number, before: number) => boolean) {
    this.#board = board;
    this.#cable = cable;
    this.#begins = begins;
    board.onByte = (byte) => this.#onByte(byte);
    board.onTurn = () => this.#flush();
    cable.device().onLine = (line) => {
      if (this.onAnswer(line)) board.receive(`${line}\n`);
    };
  }

  disturb(disturbance: Disturbance): void {
    this.#disturbance = disturbance;
  }

  /** Of the line or frame that was begun last, what was sent so far, in one piece; empty where it was disturbed. */
  rest(): Buffer {
    return Buffer.from(this.#isSpoilt ? [] : this.#sent);
  }

  /** What was to happen has happened. */
  get isCalm(): boolean {
    return this.#disturbance === null;
  }

  #onByte(byte: number): void {
    if (this.#begins(byte, this.#sent.at(-1) ?? 0)) this.#next();
    this.#sent.push(byte);
    this.#outgoing.push(byte);
    this.onByte(byte);
    const due = this.#disturbance;
    if (due === null || this.#sent.length !== due.after) return;
    this.#disturbance = null;
    this.#isSpoilt = true;
    this.#outgoing.push(...due.noise);
    if (!due.reset) return;
    this.#next();
    this.#board.reset();
  }

  #next(): void {
    if (!this.#isSpoilt && this.#sent.length > 0) this.onSent(Buffer.from(this.#sent));
    this.#isSpoilt = false;
    this.#sent = [];
  }

  #flush(): void {
    if (this.#outgoing.length === 0) return;
    this.#cable.device().write(Buffer.from(this.#outgoing));
    this.#outgoing = [];
  }
}

/** Intel HEX: records of bytes at places. @throws Error where it is none, or does not fit. */
function flashOf(hex: string): Uint16Array {
  const flash = new Uint8Array(FLASH_BYTES).fill(0xff);
  for (const line of hex.split(/\r?\n/)) {
    if (line === '') continue;
    const record = Buffer.from(line.slice(1), 'hex');
    const [length = 0] = record;
    const sum = record.reduce((total, byte) => total + byte, 0) & 0xff;
    if (!line.startsWith(':') || record.length !== length + 5 || sum !== 0)
      throw new Error(`no Intel HEX: ${line}`);
    if (record[3] === 0) flash.set(record.subarray(4, 4 + length), record.readUInt16BE(1));
  }
  return new Uint16Array(flash.buffer);
}
