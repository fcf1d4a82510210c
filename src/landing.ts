import { join } from 'node:path';
import {
  carriedQuarantine,
  carriedRecords,
  carriedShapes,
  countOf,
  jsonOf,
  type Piece,
  piecesOf,
  timesOf,
} from './carried.ts';
import { openDuckDB } from './engine/duckdb.ts';
import { type Engine, rows } from './engine/engine.ts';
import { EngineError, messageOf } from './errors.ts';

import { state } from './plan.ts';
import { scratch } from './scratch.ts';
import type { Table } from './sql/dialect.ts';
import type { BronzeStage } from './stage.ts';

/** Where files are read: their records and what is wrong with them are found there, then carried over. */
export interface Landing extends AsyncDisposable {
  readonly engine: Engine;
  /** Makes room for a batch of a source. */
  clear(stage: BronzeStage): Promise<void>;
  /** Brings what was read and settled into the lakehouse: shapes, what is in quarantine, then the records that are not there yet. */
  carry(stage: BronzeStage): Promise<void>;
}

/** The lakehouse itself where it reads files: nothing needs to be carried. */
const inPlace = (engine: Engine): Landing => ({
  engine,
  clear: async () => undefined,
  carry: async () => undefined,
  [Symbol.asyncDispose]: async () => undefined,
});

/**
 * Reads the files of logs for an engine that does not read them: Spark has no `read_files`, and where it runs the files may not
 * be. An embedded DuckDB reads them, so that bronze is the same on every engine, and its rows go over in statements of a few
 * megabytes. This is the only place where engines differ by how files arrive; `read_files` and streaming tables, which only
 * Databricks has, would stand in for it there.
 */
class Carried implements Landing {
  readonly engine: Engine;
  readonly #lakehouse: Engine;
  readonly #folder: AsyncDisposable;
  /** How many shapes of records went over. */
  #shapes = 0;

  constructor(engine: Engine, lakehouse: Engine, folder: AsyncDisposable) {
    this.engine = engine;
    this.#lakehouse = lakehouse;
    this.#folder = folder;
  }

  async clear(stage: BronzeStage): Promise<void> {
    const { dialect } = this.engine;
    for (const statement of [
      ...['pipeline', 'bronze'].map((schema) => dialect.createSchema(schema)),
      ...[state.quarantine, stage.table].map((table) => dialect.createTable(table, true)),
      dialect.createTable(state.shapes),
    ])
      await this.engine.execute(statement);
  }

  async carry(stage: BronzeStage): Promise<void> {
    const { dialect } = this.#lakehouse;
    const [seen] = await rows<{ n: bigint }>(this.engine, countOf(state.shapes));
    if (Number(seen?.n) > this.#shapes) await this.#each(state.shapes, (json) => carriedShapes(json, dialect));
    this.#shapes = Number(seen?.n);
    await this.#each(state.quarantine, (json) => carriedQuarantine(json, dialect));
    const [times] = await rows<{ least: bigint; most: bigint }>(this.engine, timesOf(stage.table));
    if (!times) return;
    const span = { column: 'time', least: Number(times.least), most: Number(times.most) };
    await this.#each(stage.table, (json) => carriedRecords(stage, json, span, dialect));
  }

  /** What the lakehouse refuses here is no fault of a file. */
  async #each(table: Table, statements: (json: string) => string[]): Promise<void> {
    for (const piece of await rows<{ [K in keyof Piece]: bigint }>(this.engine, piecesOf(table))) {
      const [read] = await rows<{ json: string }>(this.engine, jsonOf(table, piece));
      try {
        for (const statement of statements(read?.json ?? '[]')) await this.#lakehouse.execute(statement);
      } catch (error) {
        throw new EngineError(`${table.name}: ${messageOf(error)}`, { cause: error });
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** Where a lakehouse's files are read. */
export async function landingOf(lakehouse: Engine): Promise<Landing> {
  if (lakehouse.dialect.files === 'read') return inPlace(lakehouse);
  const folder = await scratch();
  return new Carried(await openDuckDB({ path: join(folder.path, 'landing.duckdb') }), lakehouse, folder);
}
