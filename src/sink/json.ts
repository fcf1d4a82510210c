import type { RecordBatch } from 'apache-arrow';
import { type JsonOptions, writeObjects } from './ndjson.ts';
import type { Output } from './output.ts';

/** Writes one JSON array of objects, an object a line. */
export const writeJson = (
  batches: AsyncIterable<RecordBatch>,
  output: Output,
  options: JsonOptions = {},
): Promise<number> => writeObjects(batches, output, options, { before: '[', between: ',\n', after: '', end: ']\n' });
