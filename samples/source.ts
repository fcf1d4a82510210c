import type { Random } from './random.ts';

/** The sources, named as in the manifest and as their folders. */
export const sourceNames = ['databricks_audit', 'cloudtrail', 'vpc_flow'] as const;
/** One of the sources. */
export type SourceName = (typeof sourceNames)[number];

/** One record as it is written, and the stream of files (workspace, region) that carries it. */
export interface LogRecord {
  readonly stream: string;
  readonly text: string;
}

/** Everyday records: the same index gives the same record, so any of them can be made again without being kept. */
export type Traffic = (index: number) => LogRecord;

/** How a source's records look, and how they are delivered. */
export interface LogSource {
  readonly name: SourceName;
  /** Records after which a file is closed and another one begun. */
  readonly recordsPerFile: number;
  /** The path of a file below the output folder; `covers` is the time of its first records, `suffix` is unique. */
  path(file: { stream: string; covers: Date; delivered: Date; suffix: string }): string;
  frame(stream: string): { readonly head: string; readonly between: string; readonly tail: string };
  /** The record as a reader must refuse it, while it can still read the file's other records. */
  broken(text: string, chance: Random): string;
  traffic(setting: { seed: number; count: number; timeOf: (index: number) => number }): Traffic;
}
