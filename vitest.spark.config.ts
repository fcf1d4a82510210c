import { defineConfig } from 'vitest/config';

/** Tests on a real Spark: one server for all of them, one file at a time. */
export default defineConfig({
  test: {
    include: ['test/spark/**/*.spark.ts'],
    globalSetup: 'test/spark/setup.ts',
    fileParallelism: false,
    testTimeout: 900_000,
    hookTimeout: 1_800_000,
  },
});
