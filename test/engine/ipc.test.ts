import { type RecordBatch, Schema } from 'apache-arrow';
import { expect, test } from 'vitest';
import { openDuckDB } from '../../src/engine/duckdb.ts';
import { batchesOfIpc, schemaOfIpc } from '../../src/engine/ipc.ts';
import { batchesOf } from '../warehouse/given.ts';
import { batchMessage, remoteSchema, schemaMessage } from '../warehouse/ipc.ts';

async function pieces(statement: string): Promise<{ head: Uint8Array; bytes: Uint8Array; rows: number }> {
  await using duck = await openDuckDB({ path: ':memory:', threads: 1 });
  const [batch] = await batchesOf(duck, statement);
  const schema = remoteSchema(batch?.schema ?? new Schema());
  if (!batch) throw new Error('no batch came');
  return { head: schemaMessage(schema), ...batchMessage(schema, batch, 0) };
}
const columnsOf = (batch: RecordBatch | undefined) => batch?.data.children ?? [];

test('batches lie in the bytes that came: nothing is copied, and no row is looked at', async () => {
  const { head, bytes, rows } = await pieces(
    "SELECT i, i::VARCHAR AS t, [i] AS l, {'a': i} AS s FROM range(1000) r(i)",
  );
  const [batch] = [...batchesOfIpc([head, bytes], rows)];
  const [number, text, list, struct] = columnsOf(batch);
  for (const buffer of [
    number?.values,
    text?.values,
    text?.valueOffsets,
    list?.children[0]?.values,
    struct?.children[0]?.values,
  ])
    expect(buffer?.buffer).toBe(bytes.buffer);
});

test('fewer rows than were announced are an error, more are left out', async () => {
  const { head, bytes, rows } = await pieces('SELECT i FROM range(10) r(i)');
  expect([...batchesOfIpc([head, bytes], 4)].map((batch) => batch.numRows)).toEqual([4]);
  expect(() => [...batchesOfIpc([head, bytes], rows + 1)]).toThrow('the server sent 10 rows where it announced 11');
  expect(() => [...batchesOfIpc([head], 1)]).toThrow('the server sent 0 rows where it announced 1');
  expect(() => [...batchesOfIpc([head, bytes.subarray(0, bytes.length - 16)], rows)]).toThrow();
});

test('time zones, inner names and metadata are those of DuckDB', async () => {
  const { head } = await pieces("SELECT [TIMESTAMPTZ '2026-01-01'] AS l, 1 AS a, 2 AS a");
  const { fields } = schemaOfIpc(head);
  expect(fields.map(({ name, type, metadata }) => `${name} ${type} ${metadata.size}`)).toEqual([
    'l List<Timestamp<MICROSECOND, UTC>> 0',
    'a Int32 0',
    'a:1 Int32 0',
  ]);
});
