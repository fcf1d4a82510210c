import type { Functions } from './functions.ts';
import type { Literal, Sql } from './sql.ts';

/** A column type in the terms that all engines share. */
export type Type =
  | 'text'
  | 'boolean'
  | 'integer'
  | 'long'
  | 'double'
  | 'timestamp'
  | { readonly list: Type }
  | { readonly map: readonly [Type, Type] }
  | { readonly struct: Readonly<Record<string, Type>> };

export interface Column {
  readonly name: string;
  readonly type: Type;
  /** Long text that is read rarely: compressed harder where the engine can. */
  readonly bulky?: boolean;
}

/** A table with its columns; `key` orders the storage where the engine clusters. */
export interface Table {
  readonly name: string;
  readonly columns: readonly Column[];
  readonly cluster?: readonly string[];
}

/** One engine's spelling of what differs between engines: names, literals, types, functions and the write modes. */
export interface Dialect {
  readonly name: 'duckdb' | 'spark' | 'databricks';
  quote(name: string): string;
  literal(value: Literal): string;
  type(type: Type): string;
  readonly functions: Functions;
  createSchema(name: string): string;
  /** Creates the table where it is missing; `replace` starts it anew, empty. */
  createTable(table: Table, replace?: boolean): string;
  createView(name: string, select: Sql): string;
  /** Appends rows. */
  append(table: Table, select: Sql): string[];
  /** Adds the rows whose key is not there yet. */
  merge(table: Table, key: readonly string[], select: Sql): string[];
  /** Replaces the rows for which `range` holds by `select`. */
  replace(table: Table, range: Sql, select: Sql): string[];
}
