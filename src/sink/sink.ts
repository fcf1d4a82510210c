import type { RecordBatch } from 'apache-arrow';
import { writeArrow } from './arrow.ts';
import { type CsvOptions, writeCsv } from './csv.ts';
import { writeJson } from './json.ts';
import { writeNdjson } from './ndjson.ts';
import type { Output } from './output.ts';
import { type TableOptions, writeTable } from './table.ts';

export { fileOutput, type Output, stdoutOutput } from './output.ts';

/** Every format rows can leave in. */
export const formats = ['table', 'json', 'ndjson', 'csv', 'arrow', 'parquet'] as const;

/** A format rows can leave in. */
export type Format = (typeof formats)[number];

/** `maxRows` is the most rows written in any format; only a table has a default (100) and says how many are left. */
export interface SinkOptions extends CsvOptions, TableOptions {}

/** DuckDB writes Parquet, and is loaded for that alone. */
const parquet = () =>
  import('./parquet.ts').catch((cause: unknown) => {
    const said = cause instanceof Error ? cause.message.split('\n')[0] : cause;
    throw new Error(`DuckDB writes Parquet and cannot be loaded; every other format does without it. (${said})`, {
      cause,
    });
  });

const writers: Record<
  Format,
  (batches: AsyncIterable<RecordBatch>, output: Output, options: SinkOptions) => Promise<number>
> = {
  table: writeTable,
  json: writeJson,
  ndjson: writeNdjson,
  csv: writeCsv,
  arrow: writeArrow,
  parquet: async (batches, output) => (await parquet()).writeParquet(batches, output),
};

/**
 * Writes all rows and closes the output, or aborts it and throws what went wrong. When the reader goes away it stops
 * asking for batches and returns. An engine yields at least one batch, which may be empty: columns are taken from it.
 */
export async function writeRows(
  batches: AsyncIterable<RecordBatch>,
  format: Format,
  output: Output,
  options: SinkOptions = {},
): Promise<{ rows: number }> {
  try {
    const limit = format === 'table' ? undefined : options.maxRows;
    const rows = await writers[format](wanted(batches, output, limit), output, options);
    await output.close();
    return { rows };
  } catch (error) {
    await output.abort?.();
    throw error;
  }
}

async function* wanted(batches: AsyncIterable<RecordBatch>, output: Output, limit = Number.POSITIVE_INFINITY) {
  let left = limit;
  for await (const batch of batches) {
    if (batch.numRows >= left) {
      yield batch.numRows > left ? batch.slice(0, left) : batch;
      return;
    }
    left -= batch.numRows;
    yield batch;
    if (output.ended) return;
  }
}
