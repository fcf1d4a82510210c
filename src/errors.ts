/** The engine refused a statement or could not be reached: what it said and on which engine. */
export class EngineError extends Error {
  override readonly name = 'EngineError';
  readonly statement: string | undefined;
  /** Whether the input's content is to blame, rather than the statement, the disk or the connection. */
  readonly ofData: boolean;
  constructor(message: string, more: { statement?: string; ofData?: boolean; cause?: unknown } = {}) {
    super(message, { cause: more.cause });
    this.statement = more.statement;
    this.ofData = more.ofData ?? false;
  }
}

/** The user's mistake: what is wrong, where, and what would be right; shown without a stack, exit code 2. */
export class UserError extends Error {
  override readonly name = 'UserError';
}

/** Another process works on the lakehouse: which one, since when, and what to do; exit code 1. */
export class BusyError extends Error {
  override readonly name = 'BusyError';
}

/** What an error says. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
