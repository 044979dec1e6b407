const EVERY_MS = 2;

/**
 * Watches how long the event loop is held at a time. What counts is time in which this process really worked: a busy
 * machine that gives it no turn is not its fault.
 */
export function watchLoop(onTurn: () => void = () => undefined): {
  readonly longestMs: number;
  stop(): void;
} {
  let longestMs = 0;
  let wallMs = performance.now();
  let cpu = process.cpuUsage();
  const timer = setInterval(() => {
    const used = process.cpuUsage(cpu);
    const workedMs = (used.user + used.system) / 1000;
    longestMs = Math.max(longestMs, Math.min(performance.now() - wallMs, workedMs));
    wallMs = performance.now();
    cpu = process.cpuUsage();
    onTurn();
  }, EVERY_MS);
  return {
    get longestMs() {
      return longestMs;
    },
    stop: () => clearInterval(timer),
  };
}
