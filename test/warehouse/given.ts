import type { RecordBatch } from 'apache-arrow';
import { type DatabricksOptions, openDatabricks } from '../../src/engine/databricks.ts';
import type { Engine } from '../../src/engine/engine.ts';
import type { RemoteEngine } from '../../src/engine/remote.ts';
import type { Patience } from '../../src/engine/retry.ts';
import { Warehouse, type WarehouseOptions } from './warehouse.ts';

/** Tries follow each other without waiting for long. */
export const hasty: Patience = { first: 1, longest: 5, whole: 10_000, breaks: 6 };

/** How to connect to a stand-in as its service principal. */
export function optionsOf(
  { engine, environment }: Warehouse,
  more: Partial<DatabricksOptions> = {},
): DatabricksOptions {
  const [host = '', port] = engine.host.split(':');
  return {
    host,
    port: Number(port),
    path: engine.path,
    catalog: engine.catalog,
    ca: engine.ca,
    identity: { clientId: environment.DATABRICKS_CLIENT_ID, clientSecret: environment.DATABRICKS_CLIENT_SECRET },
    waits: hasty,
    ...more,
  };
}

/** A stand-in and a session on it; both close together. */
export async function warehouse(
  options: WarehouseOptions = {},
  more: Partial<DatabricksOptions> = {},
): Promise<{ stand: Warehouse; engine: RemoteEngine } & AsyncDisposable> {
  const stand = await Warehouse.start(options);
  const engine = await openDatabricks(optionsOf(stand, more));
  return {
    stand,
    engine,
    [Symbol.asyncDispose]: async () => {
      await engine[Symbol.asyncDispose]();
      await stand[Symbol.asyncDispose]();
    },
  };
}

/** The batches of a statement. */
export async function batchesOf(engine: Engine, statement: string): Promise<RecordBatch[]> {
  const found: RecordBatch[] = [];
  for await (const batch of engine.query(statement)) found.push(batch);
  return found;
}
