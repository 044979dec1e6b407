/**
 * Suites that need a real server or tool. Where one is missing they are skipped, and the run's summary says so
 * (`services-reporter.ts`); with REQUIRE_SERVICES=1 a missing one is a failure.
 */
import { describe, test } from 'vitest';
import { type ServiceName, service } from './service.ts';

/**
 * A suite that runs only where all it needs is there. Its name ends in what it needs: that is how the summary can
 * tell what was skipped, and why.
 */
export function describeWith(needs: readonly ServiceName[], name: string, define: () => void): void {
  const missing = needs.map(service).filter(({ available }) => !available);
  const title = `${name} (needs ${needs.join(', ')})`;
  if (missing.length > 0 && process.env.REQUIRE_SERVICES === '1') {
    describe(title, () => {
      test('what it needs is installed', () => {
        throw new Error(missing.map(({ reason }) => reason).join('; '));
      });
    });
    return;
  }
  describe.skipIf(missing.length > 0)(title, define);
}
