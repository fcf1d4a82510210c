import type { Source } from './bronze/source.ts';
import type { Table } from './sql/dialect.ts';
import type { Relation, Sql } from './sql/sql.ts';

/** One table or view of the medallion and how it is written; what every `define…` yields. */
export type Stage = BronzeStage | SilverStage | RangeStage | ViewStage;

interface Common extends Relation {
  /** The relations it reads. */
  readonly inputs: readonly Relation[];
  /** Changes whenever what it writes could change. */
  readonly hash: string;
}

/** A source's files, appended as they arrive. */
export interface BronzeStage extends Common {
  readonly kind: 'bronze';
  readonly source: Source;
  readonly table: Table;
}

/** The rows that one source feeds into a class. */
export interface Feed {
  readonly source: Source;
  readonly select: Sql;
}

/** An OCSF class, fed by every source that has events of it; rows are merged by their key. */
export interface SilverStage extends Common {
  readonly kind: 'silver';
  readonly class: string;
  readonly table: Table;
  readonly key: readonly string[];
  readonly feeds: readonly Feed[];
}

/** A pure function of its inputs, written range by range of time: findings and summaries. */
export interface RangeStage extends Common {
  readonly kind: 'range';
  readonly table: Table;
  /** The rows of `table` that are this stage's own; a rule owns its findings in the shared table. */
  readonly owner: Sql | undefined;
  /** The column of `table` that a range restricts, in milliseconds since 1970. */
  readonly time: string;
  /** How far, in milliseconds, an input row can change output before and after it, and how far output looks for input. */
  readonly reach: Reach;
  readonly select: Sql;
}

/** Milliseconds around an input row's time: output it can change, and input that output needs. */
export interface Reach {
  readonly before: number;
  readonly after: number;
}

/** A query that people read. */
export interface ViewStage extends Common {
  readonly kind: 'view';
  readonly select: Sql;
}
