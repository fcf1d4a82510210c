import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance, type Json } from '@duckdb/node-api';
import {
  type Data,
  type DataType,
  Field,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Vector,
  vectorFromArray,
} from 'apache-arrow';
import { onTestFinished } from 'vitest';
import { type Format, type Output, type SinkOptions, writeRows } from '../../src/sink/sink.ts';

/** One batch of the given columns. */
export function batchOf(columns: Record<string, Vector>): RecordBatch {
  const fields = Object.entries(columns).map(([name, { type }]) => new Field(name, type, true));
  const children = Object.values(columns).map((vector) => vector.data[0] as Data);
  const length = children[0]?.length ?? 0;
  const data = makeData({ type: new Struct(fields), length, nullCount: 0, children });
  return new RecordBatch(new Schema(fields), data);
}

/** A column of one type. */
export const columnOf = <T extends DataType>(type: T, values: readonly unknown[]): Vector =>
  vectorFromArray(values, type);

/** A column from raw buffers. */
export const rawColumn = (props: {
  type: DataType;
  data?: ArrayBufferView;
  children?: readonly Data[];
  length?: number;
  valueOffsets?: Int32Array;
  nullBitmap?: Uint8Array;
  dictionary?: Vector;
}): Vector => new Vector([makeData(props as Parameters<typeof makeData>[0])]);

/** Batches as an engine gives them. */
export async function* stream(...batches: RecordBatch[]): AsyncGenerator<RecordBatch> {
  yield* batches;
}

/** An output that keeps what it was given. */
export function memory(path?: string): Output & { bytes(): Buffer; readonly calls: string[] } {
  const chunks: Buffer[] = [];
  const calls: string[] = [];
  return {
    ...(path === undefined ? {} : { path }),
    calls,
    bytes: () => Buffer.concat(chunks),
    async write(chunk) {
      chunks.push(typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Buffer));
    },
    async close() {
      calls.push('close');
    },
    async abort() {
      calls.push('abort');
    },
  };
}

/** What the rows become in a text format. */
export async function written(format: Format, options: SinkOptions, ...batches: RecordBatch[]): Promise<string> {
  const output = memory();
  await writeRows(stream(...batches), format, output, options);
  return output.bytes().toString();
}

/** The lines of NDJSON as they were written, without the newlines. */
export const lines = async (options: SinkOptions, ...batches: RecordBatch[]): Promise<string[]> =>
  (await written('ndjson', options, ...batches)).split('\n').slice(0, -1);

/** A new folder that goes away after the test. */
export async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'sink-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** What DuckDB reads, as JSON values: integers of 64 bits and decimals are text. */
export async function rowsOf(query: string): Promise<Record<string, Json>[]> {
  const database = await DuckDBInstance.create(':memory:');
  const connection = await database.connect();
  try {
    await connection.run("SET TimeZone = 'UTC'");
    return (await connection.runAndReadAll(query)).getRowObjectsJson();
  } finally {
    connection.closeSync();
    database.closeSync();
  }
}
