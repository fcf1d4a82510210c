import { configDefaults, defineConfig } from 'vitest/config';

/** The tests that run for minutes (kills, splits, limits) have a configuration of their own: vitest.survive.config.ts. */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, 'test/survive/{kill,split,limits}.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
  },
});
