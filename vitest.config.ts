import { defineConfig } from 'vitest/config';
import { ServicesReporter } from './test/support/services-reporter.ts';

const common = { setupFiles: ['test/support/cleanup.ts'] };

export default defineConfig({
  test: {
    reporters: ['default', new ServicesReporter()],
    projects: [
      {
        test: { ...common, name: 'unit', include: ['test/**/*.test.ts'], exclude: ['test/e2e/**'] },
      },
      {
        // The real program against real servers, one file at a time: they measure time and memory.
        test: {
          ...common,
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: ['test/support/build.ts'],
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
