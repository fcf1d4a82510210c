import type { RecordBatch } from 'apache-arrow';
import { writeRows } from '../../src/sink/sink.ts';

/** The rows of a query as lines of JSON without nulls, as `export` writes them. */
export async function linesOf(batches: AsyncIterable<RecordBatch>): Promise<string[]> {
  let text = '';
  const output = {
    write: async (chunk: Uint8Array | string): Promise<void> => {
      text += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
    },
    close: async (): Promise<void> => undefined,
  };
  await writeRows(batches, 'ndjson', output, { omitNull: true });
  return text.split('\n').slice(0, -1);
}
