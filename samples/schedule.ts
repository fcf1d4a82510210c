import { random } from './random.ts';

/** When everyday events happen: busy days, quiet nights; the time of any of them is computed, not stored. */
export interface Schedule {
  /** The index of the first event at or after the beginning of an hour, counted from the start. */
  firstOf(hour: number): number;
  /** Epoch milliseconds, not rounded; a later index never has an earlier time. */
  timeOf(index: number): number;
}

/** A stretch of time whose events are delivered together. */
export interface Window<Told> {
  readonly from: number;
  readonly to: number;
  /** The everyday events of the window: [first, end). */
  readonly first: number;
  readonly end: number;
  readonly story: readonly Told[];
}

/** An hour in milliseconds. */
export const hour = 3_600_000;
const day = 24 * hour;
const windowsTillRedelivery = 4;
const hourWeights = [4, 3, 3, 3, 4, 5, 7, 10, 13, 14, 14, 13, 11, 13, 14, 14, 13, 11, 9, 8, 7, 6, 5, 5];

/** Plans `count` events over `hours` from `start`, in epoch milliseconds. */
export function schedule(count: number, start: number, hours: number, seed: number): Schedule {
  const weightUpTo = [0];
  for (let place = 0, total = 0; place < hours; place++) {
    const moment = new Date(start + place * hour);
    const weekend = moment.getUTCDay() % 6 === 0;
    total += (hourWeights[moment.getUTCHours()] ?? 1) * (weekend ? 0.6 : 1);
    weightUpTo.push(total);
  }
  const total = weightUpTo[hours] ?? 1;
  const firsts = weightUpTo.map((weight) => Math.round((weight / total) * count));
  const firstOf = (place: number): number => firsts[Math.min(place, hours)] ?? count;
  const jitter = random(0, 0, 0);
  return {
    firstOf,
    timeOf(index) {
      let low = 0;
      let high = hours - 1;
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (firstOf(middle) <= index) low = middle;
        else high = middle - 1;
      }
      const first = firstOf(low);
      const step = hour / (firstOf(low + 1) - first);
      return start + low * hour + (index - first + jitter.seed(seed, 51, index).fraction()) * step;
    },
  };
}

/** The windows of the everyday events, and more where the story happens outside of them, in order of time. */
export function windowsOf<Told extends { readonly time: number }>(
  setting: { readonly start: number; readonly hours: number; readonly hoursPerFile: number },
  { firstOf }: Schedule,
  story: readonly Told[],
): readonly Window<Told>[] {
  const { start, hours, hoursPerFile } = setting;
  const windows: Window<Told>[] = [];
  for (let place = 0; place < hours; place += hoursPerFile) {
    const from = start + place * hour;
    const to = start + Math.min(place + hoursPerFile, hours) * hour;
    const told = story.filter(({ time }) => time >= from && time < to);
    windows.push({ from, to, first: firstOf(place), end: firstOf(place + hoursPerFile), story: told });
  }
  const length = hoursPerFile * hour;
  const outside = story.filter(({ time }) => time < start || time >= start + hours * hour);
  const beginOf = ({ time }: Told): number => time - ((time % day) % length);
  for (const from of new Set(outside.map(beginOf))) {
    const told = outside.filter((moment) => beginOf(moment) === from);
    windows.push({ from, to: from + length, first: 0, end: 0, story: told });
  }
  return windows.sort((one, other) => one.from - other.from);
}

/** Up to four adjoining windows at a time: what comes late or twice in them is delivered together. */
export function redeliveryGroups<Told>(windows: readonly Window<Told>[]): readonly (readonly Window<Told>[])[] {
  const groups: Window<Told>[][] = [];
  for (const window of windows) {
    const group = groups.at(-1);
    if (group && group.length < windowsTillRedelivery && group.at(-1)?.to === window.from) group.push(window);
    else groups.push([window]);
  }
  return groups;
}
