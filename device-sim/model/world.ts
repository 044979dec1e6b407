import type { Random } from '../random.ts';

/** When a reading is made. */
export interface Moment {
  /** Of the device's readings, from 0. */
  n: number;
  /** Since the start of the run. */
  seconds: number;
  /** Since the reading before; 0 at the first. */
  elapsed: number;
  /** Of the device's own day: 0 is midnight, 0.5 noon. */
  day: number;
  /** Its sensors give the value they gave last. */
  isStuck: boolean;
}

export function newMoment(): Moment {
  return { n: 0, seconds: 0, elapsed: 0, day: 0, isStuck: false };
}

const DAY_SECONDS = 86_400;

/**
 * What several values of one device follow: how warm it is, how busy, how dusty, whether its machine runs. All between
 * -1 and 1, or 0 and 1. Only +, -, ×, ÷: the same bits on every machine.
 */
export class World {
  /** Warmest in the afternoon; with weather. */
  heat = 0;
  /** Morning and evening peaks. */
  activity = 0;
  dust = 0;
  sun = 0;
  isRunning: boolean = true;
  private readonly random: Random;
  private readonly dayAtStart: number;
  private readonly pace: number;
  private weather: number;
  private bustle: number;

  /** @param dayAtStart fraction of the day at the start of the run */
  constructor(random: Random, dayAtStart: number) {
    this.random = random;
    this.dayAtStart = dayAtStart;
    this.weather = random.noise() * 0.3;
    this.bustle = random.noise() * 0.3;
    this.dust = random.next() * 0.5;
    this.pace = 0.02 + random.next() * 0.04;
  }

  step(moment: Moment): void {
    const { random } = this;
    const days = this.dayAtStart + moment.seconds / DAY_SECONDS;
    const day = days - Math.floor(days);
    moment.day = day;
    this.weather = walk(this.weather, 0.005, 0.01, random);
    this.bustle = walk(this.bustle, 0.05, 0.08, random);
    this.dust = Math.max(0, walk(this.dust - 0.2, 0.03, 0.03, random) + 0.2);
    this.heat = 0.8 * wave(day - 0.375) + this.weather;
    this.sun = Math.max(0, wave(day - 0.25)) * (0.8 + 0.2 * Math.max(-1, Math.min(1, this.weather * 3)));
    this.activity = 0.5 * wave(2 * day - 0.5) + this.bustle;
    if (random.next() < this.pace) this.isRunning = !this.isRunning || random.next() < 0.6;
  }
}

/** A value that wanders about 0: pulled back by a share, pushed by noise. */
export function walk(value: number, pull: number, push: number, random: Random): number {
  return value - value * pull + random.noise() * push;
}

/** A wave of period 1 between -1 and 1, made of two parabolas; rises from 0 at 0. */
export function wave(phase: number): number {
  const u = 2 * (phase - Math.floor(phase));
  return u < 1 ? 4 * u * (1 - u) : -4 * (u - 1) * (2 - u);
}
