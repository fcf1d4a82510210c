import { AsyncByteQueue, type RecordBatch, RecordBatchFileWriter, RecordBatchStreamWriter, Schema } from 'apache-arrow';
import { decodedBatch } from './decode.ts';
import type { Output } from './output.ts';

/**
 * Writes Arrow IPC, batch by batch: the stream format, or the file format when the output becomes a file that is not
 * named `.arrows`. The file format allows one dictionary for all batches, so dictionaries are decoded there.
 */
export async function writeArrow(batches: AsyncIterable<RecordBatch>, output: Output): Promise<number> {
  const asFile = output.path !== undefined && !output.path.endsWith('.arrows');
  const writer = asFile ? new RecordBatchFileWriter() : new RecordBatchStreamWriter({ autoDestroy: false });
  let pending: Uint8Array[] = [];
  const flush = async (): Promise<void> => {
    const bytes = Buffer.concat(pending);
    pending = [];
    if (bytes.length > 0) await output.write(bytes);
  };
  writer.reset(Object.assign(new AsyncByteQueue(), { write: (chunk: Uint8Array) => void pending.push(chunk) }));
  let rows = 0;
  let empty = true;
  for await (const batch of batches) {
    writer.write(asFile ? decodedBatch(batch) : batch);
    rows += batch.numRows;
    empty = false;
    await flush();
  }
  if (empty) writer.reset(undefined, new Schema([]));
  writer.close();
  await flush();
  return rows;
}
