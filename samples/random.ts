/** A seeded stream of numbers: the same seeds give the same numbers on every machine. */
export interface Random {
  /** Starts the stream anew, so that one object serves any number of events without memory of the last. */
  seed(...seeds: readonly [number, number, number]): Random;
  /** An unsigned 32-bit integer. */
  word(): number;
  /** A number of [0, 1). */
  fraction(): number;
  /** An integer of [0, limit). */
  below(limit: number): number;
  /** An integer of [low, high], both included. */
  between(low: number, high: number): number;
  chance(probability: number): boolean;
  pick<T>(choices: readonly T[]): T;
  /** Lower-case hexadecimal digits, as many as asked for. */
  hex(digits: number): string;
  /** A version 4 UUID. */
  uuid(): string;
  /** Capital letters and digits 2 to 7, as AWS spells the ids of keys and principals. */
  base32(characters: number): string;
}

const two32 = 2 ** 32;
const warmUp = 12;
const bytePairs = Array.from({ length: 65_536 }, (_, value) => value.toString(16).padStart(4, '0'));
const base32Digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** Makes a stream (sfc32, https://pracrand.sourceforge.net/RNG_engines.txt) from three integers below 2^53. */
export function random(...seeds: readonly [number, number, number]): Random {
  let a = 0;
  let b = 0;
  let c = 0;
  let counter = 1;

  const word = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  const fourDigits = (value: number): string => bytePairs[value & 0xffff] ?? '';
  const stream: Random = {
    seed(first, second, third) {
      a = first | 0;
      b = second | 0;
      c = third | 0;
      counter = (1 + Math.floor(first / two32) * 31 + Math.floor(second / two32) * 17 + Math.floor(third / two32)) | 0;
      for (let round = 0; round < warmUp; round++) word();
      return stream;
    },
    word,
    fraction: () => word() / two32,
    below: (limit) => Math.floor((word() / two32) * limit),
    between: (low, high) => low + Math.floor((word() / two32) * (high - low + 1)),
    chance: (probability) => word() < probability * two32,
    pick(choices) {
      const chosen = choices[Math.floor((word() / two32) * choices.length)];
      if (chosen === undefined) throw new RangeError('nothing to pick from');
      return chosen;
    },
    hex(digits) {
      let text = '';
      while (text.length < digits) {
        const value = word();
        text += fourDigits(value) + fourDigits(value >>> 16);
      }
      return text.length === digits ? text : text.slice(0, digits);
    },
    uuid() {
      const [first, second, third, fourth] = [word(), word(), word(), word()];
      const version = 0x4000 | (second & 0x0fff);
      const variant = 0x8000 | (third & 0x3fff);
      return `${fourDigits(first)}${fourDigits(first >>> 16)}-${fourDigits(second >>> 16)}-${fourDigits(version)}-${fourDigits(variant)}-${fourDigits(third >>> 16)}${fourDigits(fourth)}${fourDigits(fourth >>> 16)}`;
    },
    base32(characters) {
      let text = '';
      while (text.length < characters) {
        let value = word();
        for (let digit = 0; digit < 6 && text.length < characters; digit++) {
          text += base32Digits[value & 31];
          value >>>= 5;
        }
      }
      return text;
    },
  };
  return stream.seed(...seeds);
}

/** A number below 2^31 for a text, the same each time. */
export function numberOf(text: string): number {
  let value = 7;
  for (let place = 0; place < text.length; place++) value = (value * 31 + text.charCodeAt(place)) % 2_147_483_647;
  return value;
}

/** Members of 0 … size - 1 chosen evenly: one in each of equally long stretches, at a place that chance decides. */
export interface Picks {
  readonly count: number;
  includes(index: number): boolean;
  /** The chosen members of [first, end) in ascending order. */
  within(first: number, end: number): Iterable<number>;
}

/** Chooses exactly round(size × share) members; membership is computed, not stored, whatever the size. */
export function picks(size: number, share: number, seed: number, salt: number): Picks {
  const count = Math.round(size * share);
  const place = random(seed, salt, 0);
  const startOf = (stretch: number): number => Math.floor((stretch * size) / count);
  const chosenOf = (stretch: number): number => {
    const start = startOf(stretch);
    return start + place.seed(seed, salt, stretch).below(startOf(stretch + 1) - start);
  };
  const stretchOf = (index: number): number => {
    const stretch = Math.floor((index * count) / size);
    return startOf(stretch + 1) <= index ? stretch + 1 : stretch;
  };
  return {
    count,
    includes: (index) => count > 0 && index < size && chosenOf(stretchOf(index)) === index,
    *within(first, end) {
      if (count === 0) return;
      for (let stretch = stretchOf(first); stretch < count; stretch++) {
        const chosen = chosenOf(stretch);
        if (chosen >= end) return;
        if (chosen >= first) yield chosen;
      }
    },
  };
}
