import { type Delivery, deliverer, type WrittenFile } from './delivery.ts';
import { picks, random } from './random.ts';
import { hour, redeliveryGroups, schedule, type Window, windowsOf } from './schedule.ts';
import { type LogSource, type SourceName, sourceNames } from './source.ts';
import { type StoryRecord, story } from './story.ts';
import { cloudTrail } from './traffic/cloudtrail.ts';
import { databricksAudit } from './traffic/databricks_audit.ts';
import { vpcFlow } from './traffic/vpc_flow.ts';

export type { WrittenFile } from './delivery.ts';
export { type SourceName, sourceNames } from './source.ts';

/** What to write; the same options give the same bytes. Fractions are of the everyday events, from 0 to 1. */
export interface GenerateOptions {
  /** The folder that gets `databricks_audit/`, `cloudtrail/` and `vpc_flow/`; nothing in it is deleted first. */
  readonly out: string;
  /** Everyday events of all sources together, malformed ones included; the story comes on top. */
  readonly events: number;
  readonly seed: number;
  /** The beginning of the everyday events: 2026-11-01T00:00:00Z when left out. */
  readonly start?: Date;
  /** The whole hours they spread over: 24 when left out. */
  readonly hours?: number;
  /** The fraction written a second time, byte for byte the same, in a later file. */
  readonly duplicates?: number;
  /** The fraction written only in a file of a later hour. */
  readonly late?: number;
  /** The fraction written so that a reader must refuse it, though it can read the rest of the file. */
  readonly malformed?: number;
  /** The fraction of compressed files of which a copy cut short, as by an interrupted upload, lies beside the whole. */
  readonly damaged?: number;
  /** Whether the attack of 2026-11-05 is told too (it is when left out), in files of its own where that day is not covered. */
  readonly story?: boolean;
  /** The sources to write and their shares of `events`: databricks_audit 2, cloudtrail 3, vpc_flow 10 when left out. */
  readonly sources?: Partial<Record<SourceName, number>>;
  /** The whole hours of events that one file covers: 1 when left out. */
  readonly hoursPerFile?: number;
}

/** What was written, so that every record is accounted for: records = events + duplicates + malformed. */
export interface Counts {
  /** Distinct well-formed events, the story's among them. */
  readonly events: number;
  readonly story: number;
  readonly duplicates: number;
  /** How many of the events came late. */
  readonly late: number;
  readonly malformed: number;
  readonly records: number;
  /** All files, damaged ones included. */
  readonly files: number;
  /** Files cut short; their records are copies and not counted. */
  readonly damaged: number;
  /** Bytes on disk. */
  readonly bytes: number;
}

/** The counts of all sources together, of each source, and of each file. */
export interface Generated extends Counts {
  readonly sources: Readonly<Partial<Record<SourceName, Counts>>>;
  readonly written: readonly WrittenFile[];
}

/** How far one source is; the sources are written side by side. */
export interface Progress {
  readonly source: SourceName;
  /** Records written so far. */
  readonly records: number;
  /** Everyday events that this source will have. */
  readonly of: number;
}

const minute = 60_000;
const usualShares = { databricks_audit: 2, cloudtrail: 3, vpc_flow: 10 };
const logSources: Record<SourceName, LogSource> = {
  databricks_audit: databricksAudit,
  cloudtrail: cloudTrail,
  vpc_flow: vpcFlow,
};

function checked(options: GenerateOptions): Required<GenerateOptions> {
  const all = {
    start: new Date('2026-11-01T00:00:00Z'),
    hours: 24,
    duplicates: 0,
    late: 0,
    malformed: 0,
    damaged: 0,
    story: true,
    sources: usualShares,
    hoursPerFile: 1,
    ...options,
  };
  for (const name of ['duplicates', 'late', 'malformed', 'damaged'] as const)
    if (!(all[name] >= 0 && all[name] <= 1)) throw new RangeError(`${name} must be from 0 to 1, not ${all[name]}`);
  for (const [name, least] of [
    ['events', 0],
    ['seed', 0],
    ['hours', 1],
    ['hoursPerFile', 1],
  ] as const)
    if (!(Number.isSafeInteger(all[name]) && all[name] >= least))
      throw new RangeError(`${name} must be a whole number of at least ${least}, not ${all[name]}`);
  if (Number.isNaN(all.start.getTime())) throw new RangeError('start must be a valid date');
  return all;
}

/** Shares out the events so that the parts add up to the whole. */
function share(events: number, sources: Partial<Record<SourceName, number>>): ReadonlyMap<SourceName, number> {
  const wanted = sourceNames.filter((name) => (sources[name] ?? 0) > 0);
  const total = wanted.reduce((sum, name) => sum + (sources[name] ?? 0), 0);
  const parts = new Map<SourceName, number>();
  let upTo = 0;
  let given = 0;
  for (const name of wanted) {
    upTo += sources[name] ?? 0;
    const part = Math.round((upTo / total) * events) - given;
    given += part;
    parts.set(name, part);
  }
  return parts;
}

function countsOf(files: readonly WrittenFile[]): Counts {
  const sum = (key: 'records' | 'story' | 'duplicates' | 'late' | 'malformed' | 'bytes'): number =>
    files.reduce((total, file) => total + file[key], 0);
  const [records, duplicates, malformed] = [sum('records'), sum('duplicates'), sum('malformed')];
  return {
    events: records - duplicates - malformed,
    story: sum('story'),
    duplicates,
    late: sum('late'),
    malformed,
    records,
    files: files.length,
    damaged: files.filter(({ damaged }) => damaged).length,
    bytes: sum('bytes'),
  };
}

async function generateSource(
  source: LogSource,
  count: number,
  options: Required<GenerateOptions>,
  onProgress: (progress: Progress) => void,
): Promise<readonly WrittenFile[]> {
  const { seed, hours, hoursPerFile, late, duplicates, malformed } = options;
  const start = options.start.getTime();
  const salt = sourceNames.indexOf(source.name) * 10;
  const plan = schedule(count, start, hours, seed);
  const record = source.traffic({ seed, count, timeOf: plan.timeOf });
  const told = options.story ? story(source.name) : [];
  const windows = windowsOf({ start, hours, hoursPerFile }, plan, told);

  const broken = picks(count, malformed, seed, salt + 1);
  const delayed = picks(count, late, seed, salt + 2);
  const repeated = picks(count, duplicates, seed, salt + 3);
  const flaw = random(0, 0, 0);
  const comesLate = (moment: StoryRecord): boolean => late > 0 && moment.late === true;

  function* onTime(window: Window<StoryRecord>): Iterable<Delivery> {
    const moments = window.story.filter((moment) => !comesLate(moment));
    let next = 0;
    for (let index = window.first; index < window.end; index++) {
      for (let moment = moments[next]; moment && moment.time <= plan.timeOf(index); moment = moments[++next])
        yield { ...moment, kind: 'usual', late: false, story: true };
      if (broken.includes(index)) {
        const { stream, text } = record(index);
        const refused = source.broken(text, flaw.seed(seed, salt + 4, index));
        yield { stream, text: refused, kind: 'malformed', late: false, story: false };
      } else if (!delayed.includes(index)) yield { ...record(index), kind: 'usual', late: false, story: false };
    }
    for (const moment of moments.slice(next)) yield { ...moment, kind: 'usual', late: false, story: true };
  }

  function* again(windows: readonly Window<StoryRecord>[]): Iterable<Delivery> {
    for (const { first, end, story } of windows) {
      for (const index of delayed.within(first, end))
        if (!broken.includes(index)) yield { ...record(index), kind: 'usual', late: true, story: false };
      for (const index of repeated.within(first, end))
        if (!broken.includes(index) && !delayed.includes(index))
          yield { ...record(index), kind: 'duplicate', late: false, story: false };
      for (const moment of story) {
        if (comesLate(moment)) yield { ...moment, kind: 'usual', late: true, story: true };
        else if (duplicates > 0 && moment.twice === true)
          yield { ...moment, kind: 'duplicate', late: false, story: true };
      }
    }
  }

  const { deliver, written } = deliverer(source, options);
  let records = 0;
  for (const group of redeliveryGroups(windows)) {
    let end = start;
    for (const window of group) {
      records += await deliver(window.from, window.to + 5 * minute, onTime(window));
      onProgress({ source: source.name, records, of: count });
      end = window.to;
    }
    records += await deliver(end, end + hoursPerFile * hour + 35 * minute, again(group));
  }
  return written;
}

/** Writes logs of the three sources as they are delivered; memory does not grow with the number of events. */
export async function generate(
  options: GenerateOptions,
  onProgress: (progress: Progress) => void = () => undefined,
): Promise<Generated> {
  const all = checked(options);
  const parts = [...share(all.events, all.sources)];
  const files = await Promise.all(
    parts.map(async ([name, count]) => [name, await generateSource(logSources[name], count, all, onProgress)] as const),
  );
  const written = files.flatMap(([, some]) => some);
  const sources = Object.fromEntries(files.map(([name, some]) => [name, countsOf(some)]));
  return { ...countsOf(written), sources, written };
}
