import { closeSync, createReadStream, createWriteStream, openSync, readSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DuckDBInstance, DuckDBTableFunction, quotedString } from '@duckdb/node-api';
import duckdb from '@duckdb/node-bindings';
import { type Data, type Field, type RecordBatch, RecordBatchReader } from 'apache-arrow';
import { writeArrow } from './arrow.ts';
import { decodedBatch } from './decode.ts';
import { distinctNames } from './encoder.ts';
import { type Output, streamOutput } from './output.ts';
import { columnOf } from './vectors.ts';

/**
 * Writes Parquet (zstd, rows in order). The rows go to a temporary Arrow file beside the output first, because DuckDB, which
 * writes the Parquet, takes them by a table function that cannot wait. What Parquet or DuckDB has no exact type for
 * (durations, intervals, unions, decimals of more than 38 digits) becomes text; nanoseconds lose their zone.
 */
export async function writeParquet(batches: AsyncIterable<RecordBatch>, output: Output): Promise<number> {
  const folder = await mkdtemp(join(output.path === undefined ? tmpdir() : dirname(output.path), '.parquet-'));
  const [spool, file] = [join(folder, 'rows.arrows'), join(folder, 'rows.parquet')];
  try {
    const spooled = streamOutput(createWriteStream(spool), true);
    const rows = await writeArrow(decoded(batches), spooled).finally(spooled.close);
    await convert(spool, file);
    for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) await output.write(chunk);
    return rows;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function* decoded(batches: AsyncIterable<RecordBatch>): AsyncGenerator<RecordBatch> {
  for await (const batch of batches) yield decodedBatch(batch);
}

async function convert(spool: string, file: string): Promise<void> {
  const descriptor = openSync(spool, 'r');
  // DuckDB limits a row group by bytes only when it need not keep the order; the single scanning thread keeps it.
  const database = await DuckDBInstance.create(':memory:', { preserve_insertion_order: 'false' });
  const connection = await database.connect();
  try {
    const reader = RecordBatchReader.from(chunksOf(descriptor)).open();
    const { fields } = reader.schema;
    if (fields.length === 0) throw new Error('Parquet needs at least one column');
    connection.registerTableFunction(tableFunction('spooled_rows', fields, reader[Symbol.iterator]()));
    const options = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE_BYTES '64MB'";
    await connection.run(`COPY (FROM spooled_rows()) TO ${quotedString(file)} (${options})`);
  } finally {
    connection.closeSync();
    database.closeSync();
    closeSync(descriptor);
  }
}

function tableFunction(name: string, fields: readonly Field[], batches: Iterator<RecordBatch>): DuckDBTableFunction {
  const names = distinctNames(fields);
  const columns = fields.map(({ type }) => columnOf(type));
  let batch: RecordBatch | undefined;
  let from = 0;
  return DuckDBTableFunction.create({
    name,
    bindFunction: (info) => {
      columns.forEach(({ type }, i) => {
        info.addResultColumn(names[i] || `column${i}`, type);
      });
    },
    initFunction: (info) => info.setMaxThreads(1),
    mainFunction: (_info, chunk) => {
      for (; batch === undefined || from === batch.numRows; from = 0) {
        const next = batches.next();
        if (next.done) {
          chunk.rowCount = 0;
          return;
        }
        batch = next.value;
      }
      const { data, numRows } = batch;
      const count = Math.min(duckdb.vector_size(), numRows - from);
      chunk.rowCount = count;
      columns.forEach(({ fill }, i) => {
        fill(duckdb.data_chunk_get_vector(chunk.chunk, i), data.children[i] as Data, from, count);
      });
      from += count;
    },
  });
}

function* chunksOf(descriptor: number): Generator<Uint8Array> {
  for (;;) {
    const chunk = Buffer.allocUnsafeSlow(1 << 20);
    const size = readSync(descriptor, chunk);
    if (size === 0) return;
    yield chunk.subarray(0, size);
  }
}
