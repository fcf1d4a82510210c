import type { Functions } from './functions.ts';
import type { Condition, Literal, Sql } from './sql.ts';

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
  /** What stands there, for who reads the table in a catalog. */
  readonly comment?: string;
}

/** A table with its columns; `key` orders the storage where the engine clusters. */
export interface Table {
  readonly name: string;
  readonly columns: readonly Column[];
  readonly cluster?: readonly string[];
  /** What it holds, for who finds it in a catalog. */
  readonly comment?: string;
}

/** Between which values those of a column lie. */
export interface Span {
  readonly column: string;
  readonly least: number;
  readonly most: number;
}

/** One engine's spelling of what differs between engines: names, literals, types, functions and the write modes. */
export interface Dialect {
  readonly name: 'duckdb' | 'spark' | 'databricks';
  /** How files of logs get there: statements read them as they are; they are read beside it and their records carried over; or they arrive in tables of their own. */
  readonly files: 'read' | 'carried' | 'arrive';
  quote(name: string): string;
  literal(value: Literal): string;
  type(type: Type): string;
  readonly functions: Functions;
  createSchema(name: string): string;
  /** Creates the table where it is missing; `replace` starts it anew, empty. */
  createTable(table: Table, replace?: boolean): string;
  createView(name: string, select: Sql): string;
  /** Keeps a query's rows under a bare name until they are dropped or replaced, for this session only. */
  keep(name: string, select: Sql): string[];
  /** Forgets rows that were kept, if they are there. */
  drop(name: string): string[];
  /** Appends rows. */
  append(table: Table, select: Sql): string[];
  /** Adds the rows whose key is not there yet; `span` says where theirs lie, so that other rows need not be looked at. */
  merge(table: Table, key: readonly string[], select: Sql, span?: Span): string[];
  /** Takes out the rows whose key is among the rows of `keys`, which have its columns in this order. */
  remove(table: Table, key: readonly string[], keys: Sql): string[];
  /** What holds of the rows that the transaction at hand added; undefined where the engine cannot tell. */
  readonly uncommitted: Condition | undefined;
  /** Replaces the rows for which `range` holds by `select`. */
  replace(table: Table, range: Sql, select: Sql): string[];
}
