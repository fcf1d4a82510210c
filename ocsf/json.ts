import { randomUUID } from 'node:crypto';

/** A JSON number written with a fraction or an exponent: `1.0` is no integer to OCSF. */
export class Float {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
  toString(): string {
    return Number.isInteger(this.value) ? this.value.toFixed(1) : String(this.value);
  }
  toJSON(): number {
    return this.value;
  }
}

const ESCAPE_QUOTE_OR_NUMBER = /\\.|"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/gs;

/** JSON.parse that keeps what numbers lose there: fractions become `Float`, integers beyond 2^53 bigint; throws SyntaxError. */
export function parseJson(text: string): unknown {
  const mark = randomUUID();
  let insideString = false;
  const marked = text.replace(ESCAPE_QUOTE_OR_NUMBER, (token) => {
    if (token === '"') insideString = !insideString;
    const kept = insideString || token === '"' || token.startsWith('\\') || isPlainInteger(token);
    return kept ? token : `{"${mark}":"${token}"}`;
  });
  return JSON.parse(marked, (_, value: unknown) => {
    const token = isMap(value) ? value[mark] : undefined;
    if (typeof token !== 'string') return value;
    return /[.eE]/.test(token) ? new Float(Number(token)) : BigInt(token);
  });
}

function isPlainInteger(token: string): boolean {
  return /^-?\d+$/.test(token) && Number.isSafeInteger(Number(token));
}

/** Whether a parsed value is a JSON object. */
export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Float);
}

/** Whether a parsed value is an integer of any size. */
export function isInteger(value: unknown): value is number | bigint {
  return typeof value === 'bigint' || Number.isInteger(value);
}

/** Whether a parsed value is a number that is no integer, or was not written as one. */
export function isFloat(value: unknown): value is Float | number {
  return value instanceof Float || (typeof value === 'number' && !Number.isInteger(value));
}

/** Whether a parsed value is an integer in [-2^(bits-1), 2^(bits-1)). */
export function isSigned(bits: number, value: unknown): value is number | bigint {
  return isInteger(value) && BigInt.asIntN(bits, BigInt(value)) === BigInt(value);
}
