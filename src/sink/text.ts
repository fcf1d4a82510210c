/** Bytes of UTF-8 text being written; `at` is the next free position, and moving it back takes text away again. */
export interface Text {
  bytes: Buffer;
  at: number;
}

/** Bytes after which a text is passed on. */
export const flushAt = 1 << 17;

/** An empty text with room for `size` bytes; it grows as needed. */
export const emptyText = (size = flushAt * 2): Text => ({ bytes: Buffer.allocUnsafeSlow(size), at: 0 });

/** The text's bytes with room for `size` more behind `at`. */
export function reserve(text: Text, size: number): Buffer {
  if (text.at + size > text.bytes.length) {
    const grown = Buffer.allocUnsafeSlow(Math.max(text.bytes.length * 2, text.at + size));
    text.bytes.copy(grown, 0, 0, text.at);
    text.bytes = grown;
  }
  return text.bytes;
}

/** Takes the written bytes out and leaves the text empty; the bytes are the receiver's to keep. */
export function take(text: Text): Buffer {
  const written = text.bytes.subarray(0, text.at);
  const small = text.at * 4 < text.bytes.length;
  if (!small) text.bytes = Buffer.allocUnsafeSlow(flushAt * 2);
  text.at = 0;
  return small ? Buffer.from(written) : written;
}

/** Writes one byte. */
export function writeByte(text: Text, byte: number): void {
  reserve(text, 1)[text.at++] = byte;
}

/** Writes characters below U+0080. */
export function writeAscii(text: Text, ascii: string): void {
  const bytes = reserve(text, ascii.length);
  let at = text.at;
  for (let i = 0; i < ascii.length; i++) bytes[at++] = ascii.charCodeAt(i);
  text.at = at;
}

/** Copies `source[from, to)` as it is. */
export function writeBytes(text: Text, source: Uint8Array, from: number, to: number): void {
  const bytes = reserve(text, to - from);
  if (to - from > 64) {
    bytes.set(source.subarray(from, to), text.at);
    text.at += to - from;
    return;
  }
  let at = text.at;
  for (let i = from; i < to; i++) bytes[at++] = source[i] as number;
  text.at = at;
}

/** Writes a whole number of magnitude below 10^15, with zeros in front up to `width` digits. */
export function writeInteger(text: Text, value: number, width = 1): void {
  const bytes = reserve(text, 20);
  let rest = value;
  if (rest < 0) {
    bytes[text.at++] = 45;
    rest = -rest;
  }
  if (rest >= 1e9) {
    const high = Math.floor(rest / 1e9);
    writeDigits(text, high, width - 9);
    writeDigits(text, rest - high * 1e9, 9);
  } else {
    writeDigits(text, rest, width);
  }
}

function writeDigits(text: Text, value: number, width: number): void {
  const bytes = text.bytes;
  let size = value < 10 ? 1 : value < 100 ? 2 : value < 1000 ? 3 : value < 10000 ? 4 : value < 100000 ? 5 : 6;
  if (value >= 1000000) size = value < 10000000 ? 7 : value < 100000000 ? 8 : 9;
  if (size < width) size = width;
  let rest = value | 0;
  for (let at = text.at + size - 1; at >= text.at; at--) {
    const tens = (rest / 10) | 0;
    bytes[at] = 48 + rest - tens * 10;
    rest = tens;
  }
  text.at += size;
}

const special = new Uint8Array(256);
special.fill(1, 0, 0x20);
for (const byte of [0x22, 0x5c, 0x7f, 0xc2, 0xe2]) special[byte] = 1;

const short = new Map([
  [0x08, 'b'],
  [0x09, 't'],
  [0x0a, 'n'],
  [0x0c, 'f'],
  [0x0d, 'r'],
  [0x22, '"'],
  [0x5c, '\\'],
]);

const escaped = (code: number): string => {
  const letter = short.get(code);
  return letter === undefined ? `\\u${code.toString(16).padStart(4, '0')}` : `\\${letter}`;
};

/** Writes the UTF-8 text `source[from, to)` as a JSON string; line separators and C1 controls are escaped as well. */
export function writeString(text: Text, source: Uint8Array, from: number, to: number): void {
  const bytes = reserve(text, (to - from) * 6 + 2);
  let at = text.at;
  bytes[at++] = 0x22;
  for (let i = from; i < to; i++) {
    const byte = source[i] as number;
    if (special[byte] === 0) {
      bytes[at++] = byte;
      continue;
    }
    let code = byte;
    let size = 1;
    if (byte === 0xc2) {
      code = source[i + 1] as number;
      size = code < 0xa0 ? 2 : 0;
    } else if (byte === 0xe2) {
      const third = source[i + 2] as number;
      code = 0x2028 + third - 0xa8;
      size = source[i + 1] === 0x80 && (third === 0xa8 || third === 0xa9) ? 3 : 0;
    }
    if (size === 0) {
      bytes[at++] = byte;
      continue;
    }
    const letters = escaped(code);
    for (let j = 0; j < letters.length; j++) bytes[at++] = letters.charCodeAt(j);
    i += size - 1;
  }
  bytes[at++] = 0x22;
  text.at = at;
}
