import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** What is short, then what says most, comes first, should the time run out. */
const ORDER = ['functions', 'engine', 'doctor', 'parity', 'databricks', 'pieces', 'bundle', 'pipelines'];

class Ordered extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number =>
      ORDER.findIndex((name) => moduleId.endsWith(`/${name}.spark.ts`));
    return [...files].sort((a, b) => place(a) - place(b));
  }
}

/** Tests on a real Spark: one server for all of them, one file at a time. */
export default defineConfig({
  test: {
    include: ['test/spark/**/*.spark.ts'],
    globalSetup: 'test/spark/setup.ts',
    fileParallelism: false,
    sequence: { sequencer: Ordered },
    testTimeout: 900_000,
    hookTimeout: 1_800_000,
  },
});
