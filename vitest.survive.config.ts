import { defineConfig } from 'vitest/config';

/** Runs that are killed, split, delayed and short of room: minutes long, so apart from `npm test`. */
export default defineConfig({
  test: {
    include: ['test/survive/{kill,split,limits}.test.ts'],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
