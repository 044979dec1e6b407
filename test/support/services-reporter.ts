/** Ends a run's summary with what was skipped for want of a server, in plain words, and how to install it. */
import type { Reporter, TestModule, TestSuite } from 'vitest/node';
import { missingOf } from './service.ts';

export class ServicesReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const skipped: { name: string; why: string; file: string }[] = [];
    let skippedTests = 0;
    for (const module of modules) {
      for (const test of module.children.allTests('skipped')) {
        skippedTests += 1;
        const suite = outermostWithNeeds(test.parent);
        if (suite === null) continue;
        const [, name = suite.name, needs = ''] = NEEDS.exec(suite.name) ?? [];
        const missing = missingOf(needs.split(', '));
        if (missing.length > 0 && !skipped.some((other) => other.name === name)) {
          skipped.push({ name, why: missing.join('; '), file: module.relativeModuleId });
        }
      }
    }
    if (skipped.length > 0) {
      const lines = skipped.map(({ name, why, file }) => `   ${file}: ${name}: ${why}`);
      process.stdout.write(
        `\n Skipped, because servers or tools they need are not on this machine:\n${lines.join('\n')}\n` +
          ' To install servers and tools (Debian, as root): npm run test:setup\n',
      );
    }
    if (skippedTests > 0 && process.env.REQUIRE_SERVICES === '1') {
      process.stdout.write(
        `\n ${skippedTests} tests were skipped, and REQUIRE_SERVICES=1 allows none: this run fails.\n`,
      );
      process.exitCode = 1;
    }
  }
}

const NEEDS = /^(.*) \(needs ([^()]*)\)$/;

function outermostWithNeeds(from: TestSuite | TestModule): TestSuite | null {
  let found: TestSuite | null = null;
  for (let suite = from; suite.type === 'suite'; suite = suite.parent) {
    if (NEEDS.test(suite.name)) found = suite;
  }
  return found;
}
