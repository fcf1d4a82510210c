import { isUtf8 } from 'node:buffer';
import { createReadStream, createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { FOREIGN_SAMPLE, foreignFormat } from './foreign.ts';
import { type Encoding, encodingOf, flowHeader, flowNames, isGzip } from './sniff.ts';

/** `maxRecordBytes` bounds one record and with it the memory (default 64 MiB, at most 200); `header` names a flow log's fields until a header line does. */
export interface DecodeOptions {
  kind: 'json' | 'text';
  maxRecordBytes?: number;
  header?: readonly string[];
}

/** One top-level value or element as it was written, or one flow line; `position` counts a file's records and rejects together, from 1. */
export interface DecodedRecord {
  position: number;
  text: string;
}

/** What could not be taken as a record: `text` is its first 8 kB, valid Unicode, with U+FFFD for bytes that are not. */
export interface Reject {
  position: number;
  reason: string;
  text: string;
}

/** `header` holds the underscored names in force for a flow line, absent while none is known. */
export type Decoded = ({ ok: true } & DecodedRecord & { header?: readonly string[] }) | ({ ok: false } & Reject);

/** Opens the stored bytes from an offset; a damaged gzip is opened again. */
export type Open = (from: number) => AsyncIterable<Uint8Array>;

/** Turns any file into records and rejects in order, losing nothing; only errors of the file system are thrown. */
export async function* decode(path: string, options: DecodeOptions): AsyncGenerator<Decoded> {
  yield* decodeBytes(fileBytes(path), options);
}

/** `decode` for bytes that are not in a file. */
export async function* decodeBytes(open: Open, options: DecodeOptions): AsyncGenerator<Decoded> {
  for await (const batch of batches(open, options)) yield* batch;
}

/** Writes one line per record, `{"position","raw"}` and for flow lines `"header"`, or per reject, `{"position","raw","reason"}`. */
export async function decodeToNdjson(
  path: string,
  out: string,
  options: DecodeOptions,
): Promise<{ records: number; rejects: number }> {
  const count = { records: 0, rejects: 0 };
  let names: readonly string[] | undefined;
  let header = '';
  const line = (item: Decoded): string => {
    const start = `{"position":${item.position},"raw":${JSON.stringify(item.text)}`;
    if (!item.ok) {
      count.rejects++;
      return `${start},"reason":${JSON.stringify(item.reason)}}\n`;
    }
    count.records++;
    if (item.header !== names) {
      names = item.header;
      header = names ? `,"header":${JSON.stringify(names)}` : '';
    }
    return `${start}${header}}\n`;
  };
  async function* lines(): AsyncGenerator<string> {
    for await (const batch of batches(fileBytes(path), options)) yield batch.map(line).join('');
  }
  await pipeline(lines, createWriteStream(out));
  return count;
}

function fileBytes(path: string): Open {
  return (from) => createReadStream(path, { start: from, highWaterMark: 128 * 1024 });
}

async function* batches(open: Open, options: DecodeOptions): AsyncGenerator<Decoded[]> {
  const scanner = scan(options);
  let recode: ((chunk: Uint8Array) => Uint8Array) | undefined;
  let head: Uint8Array = new Uint8Array(0);
  let foreign: Decoded | undefined;
  const begin = (): void => {
    const encoding = encodingOf(head);
    const reason = encoding.name === 'UTF-8' ? foreignFormat(head) : undefined;
    if (reason !== undefined)
      foreign = { ok: false, position: 1, reason, text: shown(head.subarray(0, FOREIGN_SHOWN)) };
    scanner.encoding(encoding);
    recode = encoding.name === 'UTF-8' ? (chunk) => chunk : utf8FromUtf16(encoding.name === 'UTF-16BE');
    scanner.push(recode(head.subarray(encoding.mark)));
  };
  for await (const piece of pieces(open)) {
    if (piece instanceof Uint8Array) {
      if (recode) scanner.push(recode(piece));
      else {
        head = Buffer.concat([head, piece]);
        if (head.length >= FOREIGN_SAMPLE) begin();
      }
    } else {
      if (!recode) begin();
      scanner.fault(piece);
    }
    if (foreign) break;
    const batch = scanner.take();
    if (batch.length > 0) yield batch;
  }
  if (!recode) begin();
  if (foreign) {
    yield [foreign];
    return;
  }
  scanner.end(recode?.(new Uint8Array(0)));
  yield scanner.take();
}

interface Fault {
  reason: string;
  last: boolean;
  text?: Uint8Array;
}

const NESTED_GZIPS = 4;

// CloudWatch compresses what it sends, Firehose may compress it again.
async function* pieces(open: Open, depth = 1): AsyncGenerator<Uint8Array | Fault> {
  if (!(await startsWithGzip(open))) {
    yield* open(0);
    return;
  }
  let faults: Fault[] = [];
  const inflated: Open = async function* (from) {
    faults = [];
    let skip = from;
    for await (const piece of inflate(open)) {
      if (!(piece instanceof Uint8Array)) faults.push(piece);
      else if (skip < piece.length) {
        yield piece.subarray(skip);
        skip = 0;
      } else skip -= piece.length;
    }
  };
  if (depth < NESTED_GZIPS && (await startsWithGzip(inflated))) {
    yield* pieces(inflated, depth + 1);
    yield* faults;
  } else yield* inflate(open);
}

async function startsWithGzip(open: Open): Promise<boolean> {
  let head: Uint8Array = new Uint8Array(0);
  for await (const chunk of open(0)) {
    head = Buffer.concat([head, chunk.subarray(0, 2)]);
    if (head.length >= 2) break;
  }
  return isGzip(head);
}

const SLICE = 16 * 1024;
const TRUNCATED = 'unexpected end of file';
const BAD_CRC = 'incorrect data check';
const BAD_LENGTH = 'incorrect length check';
const BAD_HEADER = 'incorrect header check';

async function* inflate(open: Open): AsyncGenerator<Uint8Array | Fault> {
  const all = Number.POSITIVE_INFINITY;
  let from: number | undefined = 0;
  while (from !== undefined) {
    let stop: Stop = yield* inflateRun(open, from, all, all, 0);
    // zlib keeps to itself what it inflated in a call that fails, so the failing slice is fed again byte by byte.
    if (stop.error && stop.error !== TRUNCATED) stop = yield* inflateRun(open, from, all, stop.at, stop.produced);
    const { error, at, produced } = stop;
    if (error === undefined) from = await nonZero(open, at);
    else if (error === BAD_CRC || error === BAD_LENGTH) {
      yield { reason: 'gzip: crc', last: false };
      from = await nonZero(open, at + (error === BAD_CRC ? 5 : 1));
    } else {
      let garbage = error === BAD_HEADER ? at - 1 : undefined;
      // One stray byte, a newline say, looks to zlib like the first half of a member's magic number.
      if (error === TRUNCATED && !(yield* inflateRun(open, from, at - 1, all, produced)).error) garbage = at - 1;
      if (garbage === undefined) yield { reason: `gzip: ${error}`, last: true };
      else yield { reason: 'gzip: trailing garbage', last: true, text: await headOf(open, garbage) };
      return;
    }
  }
}

interface Stop {
  error?: string;
  at: number;
  produced: number;
}

/** Inflates the members between two offsets, without the first `skip` bytes of text; `at` is where the failing slice begins, or the end. */
async function* inflateRun(
  open: Open,
  from: number,
  until: number,
  fineFrom: number,
  skip: number,
): AsyncGenerator<Uint8Array, Stop> {
  const gunzip = createGunzip({ chunkSize: 128 * 1024 });
  let parts: Buffer[] = [];
  let ended = false;
  let resolve = (): void => {};
  let reject = (_: unknown): void => {};
  gunzip.on('data', (part: Buffer) => parts.push(part));
  gunzip.on('error', (error) => reject(error));
  gunzip.on('end', () => {
    ended = true;
    resolve();
  });
  const feed = (bytes?: Uint8Array): Promise<void> =>
    new Promise((done, fail) => {
      resolve = done;
      reject = fail;
      if (bytes) gunzip.write(bytes, (error) => (error ? fail(error) : done()));
      else gunzip.end();
    });
  let at = from;
  let produced = 0;
  const fresh = (): Uint8Array[] => {
    const taken = parts.flatMap((part) => {
      const before = produced;
      produced += part.length;
      return produced > skip ? [part.subarray(Math.max(0, skip - before))] : [];
    });
    parts = [];
    return taken;
  };
  try {
    for await (const slice of sliced(open(from), from, until, fineFrom)) {
      await feed(slice);
      yield* fresh();
      if (ended) break;
      at += slice.length;
    }
    if (!ended) await feed();
    yield* fresh();
    return { at: from + gunzip.bytesWritten, produced };
  } catch (error) {
    if (!gunzip.errored) throw error;
    yield* fresh();
    return { error: gunzip.errored.message, at, produced };
  } finally {
    gunzip.destroy();
  }
}

async function* sliced(
  chunks: AsyncIterable<Uint8Array>,
  from: number,
  until: number,
  fineFrom: number,
): AsyncGenerator<Uint8Array> {
  let at = from;
  for await (const chunk of chunks) {
    for (let i = 0; i < chunk.length; ) {
      if (at >= until) return;
      const step = at < fineFrom ? Math.min(SLICE, fineFrom - at, until - at, chunk.length - i) : 1;
      yield chunk.subarray(i, i + step);
      i += step;
      at += step;
    }
  }
}

async function nonZero(open: Open, from: number): Promise<number | undefined> {
  let at = from;
  for await (const chunk of open(from)) {
    const i = chunk.findIndex((byte) => byte !== 0);
    if (i >= 0) return at + i;
    at += chunk.length;
  }
  return undefined;
}

async function headOf(open: Open, from: number): Promise<Uint8Array> {
  let head: Uint8Array = new Uint8Array(0);
  for await (const chunk of open(from)) {
    head = Buffer.concat([head, chunk.subarray(0, SHOWN)]);
    if (head.length >= SHOWN) break;
  }
  return head;
}

/** A lone surrogate becomes the three bytes that UTF-8 forbids, an odd last byte 0xFF: the record that holds one is rejected. */
function utf8FromUtf16(big: boolean): (chunk: Uint8Array) => Uint8Array {
  let odd = -1;
  let high = 0;
  return (chunk) => {
    const ending = chunk.length === 0;
    const out = Buffer.allocUnsafe(chunk.length * 2 + 8);
    let n = 0;
    const put3 = (unit: number): void => {
      out[n++] = 0xe0 | (unit >> 12);
      out[n++] = 0x80 | ((unit >> 6) & 0x3f);
      out[n++] = 0x80 | (unit & 0x3f);
    };
    for (const byte of chunk) {
      if (odd < 0) {
        odd = byte;
        continue;
      }
      const unit = big ? (odd << 8) | byte : (byte << 8) | odd;
      odd = -1;
      if (high > 0 && unit >= 0xdc00 && unit <= 0xdfff) {
        const point = 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00);
        out[n++] = 0xf0 | (point >> 18);
        out[n++] = 0x80 | ((point >> 12) & 0x3f);
        out[n++] = 0x80 | ((point >> 6) & 0x3f);
        out[n++] = 0x80 | (point & 0x3f);
        high = 0;
        continue;
      }
      if (high > 0) put3(high);
      high = unit >= 0xd800 && unit <= 0xdbff ? unit : 0;
      if (high > 0) continue;
      if (unit < 0x80) out[n++] = unit;
      else if (unit < 0x800) {
        out[n++] = 0xc0 | (unit >> 6);
        out[n++] = 0x80 | (unit & 0x3f);
      } else put3(unit);
    }
    if (ending && high > 0) put3(high);
    if (ending && odd >= 0) out[n++] = 0xff;
    return out.subarray(0, n);
  };
}

const SHOWN = 8 * 1024;
const FOREIGN_SHOWN = 256;
const DEEPEST = 1000; // as deep as Jackson, and so Spark, reads
const TOO_DEEP = `nested deeper than ${DEEPEST} levels`;
const MIB = 1024 * 1024;
const LARGEST = 200 * MIB; // a string holds 512 Mi characters, and JSON.stringify may double it
const SUSPECT_BYTES = MIB;
const FIRST_KEYS = 16;
const WRAPPERS = new Set(['Records', 'records', 'Events', 'logEvents']);
const LONGEST_WRAPPER = 9;
const BUFFER_COST = 128;
const MARK = [0xef, 0xbb, 0xbf];
const CONTROL = /[\x00-\x08\x0b\x0e-\x1f]/;
const FIRST_KEY = /^\{\s*"((?:[^"\\]|\\.)*)"\s*:/s;
const KEY_WINDOW = 300;
const SURROGATE = /\\u[dD][89a-fA-F]/;
const ESCAPES = /\\(?:u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|(u[dD][89a-fA-F][\da-fA-F]{2})|.)/gs;

const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;
const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const BACKSLASH = 92;
const LIST_OPEN = 91;
const LIST_CLOSE = 93;
const OBJECT_OPEN = 123;
const OBJECT_CLOSE = 125;
const CLOSE_MINUS_OPEN = 2;

const OTHER = 0;
const BLANK = 1;
const OPEN = 2;
const CLOSE = 3;
const STRING = 4;
const SEPARATOR = 5;
const CLASS = new Uint8Array(256);
for (const byte of [TAB, LF, CR, SPACE]) CLASS[byte] = BLANK;
for (const byte of [LIST_OPEN, OBJECT_OPEN]) CLASS[byte] = OPEN;
for (const byte of [LIST_CLOSE, OBJECT_CLOSE]) CLASS[byte] = CLOSE;
for (const byte of [COMMA, COLON]) CLASS[byte] = SEPARATOR;
CLASS[QUOTE] = STRING;

const AFTER_OPEN = 0;
const AFTER_COMMA = 1;
const AFTER_COLON = 2;
const AFTER_KEY = 3;
const AFTER_VALUE = 4;

interface Scanner {
  encoding(encoding: Encoding): void;
  push(chunk: Uint8Array): void;
  fault(fault: Fault): void;
  end(rest?: Uint8Array): void;
  take(): Decoded[];
}

function scan({ kind, maxRecordBytes = 64 * MIB, header: given }: DecodeOptions): Scanner {
  const most = Math.min(maxRecordBytes, LARGEST);
  const tooLarge = `record larger than ${most} bytes`;
  let found: Decoded[] = [];
  let position = 0;
  let encodingName = 'UTF-8';
  let header = given?.length ? given.flatMap(flowNames) : undefined;

  // The piece in hand is buffer[start, end), scanned up to pos; once too long to hold, only its head is kept.
  let buffer: Buffer = Buffer.allocUnsafe(512 * 1024);
  let start = 0;
  let pos = 0;
  let end = 0;
  let head: Buffer | undefined;
  let pushed = 0;
  let finished = false;
  let fault: string | undefined;

  let state: () => boolean = kind === 'json' ? between : flowLine;
  let indent = 0;
  let atLineStart = true;
  let list: 'none' | 'array' | 'member' = 'none';
  let firstKeys = new Set<string>();
  // A wrapper without the elements of its list.
  let wrapper: Buffer[] = [];
  let wrapperBytes = 0;

  const stack = new Uint8Array(DEEPEST);
  let depth = 0;
  let tooDeep = false;
  let after = AFTER_COMMA;
  let token = BLANK;
  let tokenStart = 0;
  let splits = false;
  let suspectAt = -1;
  let endAt = -1;

  let scannedAgain = 0;
  let seekElement = false;
  let oversize = false;
  let atEnd = false;

  function push(chunk: Uint8Array): void {
    if (end + chunk.length > buffer.length) {
      const held = end - start;
      const roomy = held + chunk.length <= buffer.length / 2;
      const target = roomy ? buffer : Buffer.allocUnsafe(2 * (held + chunk.length));
      buffer.copy(target, 0, start, end);
      buffer = target;
      pos -= start;
      tokenStart -= start;
      start = 0;
      end = held;
    }
    buffer.set(chunk, end);
    end += chunk.length;
    pushed += chunk.length;
    while (state());
  }

  function hold(limit: number): false {
    if (finished) return false;
    if (pos - start > Math.max(limit, SHOWN)) head ??= Buffer.from(buffer.subarray(start, start + SHOWN));
    if (head) start = pos;
    return false;
  }

  function between(): boolean {
    for (; pos < end; pos++) {
      const byte = buffer[pos];
      if (byte === LF) {
        indent = 0;
        atLineStart = true;
      } else if (byte === SPACE || byte === TAB || byte === CR) {
        if (atLineStart) indent++;
      } else if (byte === MARK[0] && end - pos < MARK.length && !finished) {
        start = pos;
        return false;
      } else if (byte === MARK[0] && buffer[pos + 1] === MARK[1] && buffer[pos + 2] === MARK[2]) {
        pos += 2;
      } else {
        atLineStart = false;
        if (byte === COMMA) continue;
        begin();
        if (byte === LIST_OPEN) enter('array');
        else state = byte === OBJECT_OPEN ? value : scalarLine;
        return true;
      }
    }
    start = pos;
    return false;
  }

  function begin(): void {
    start = pos;
    depth = 0;
    tooDeep = false;
    after = AFTER_COMMA;
    token = BLANK;
    splits = false;
    suspectAt = -1;
  }

  function enter(what: 'array' | 'member'): true {
    pos++;
    if (what === 'member') {
      wrapperBytes += head ? Number.POSITIVE_INFINITY : pos - start + BUFFER_COST;
      if (wrapperBytes <= most || wrapper.length === 0) wrapper.push(head ?? Buffer.from(buffer.subarray(start, pos)));
      head = undefined;
    }
    start = pos;
    list = what;
    firstKeys = new Set();
    state = elements;
    return true;
  }

  function elements(): boolean {
    for (; pos < end; pos++) {
      const byte = buffer[pos] as number;
      if (CLASS[byte] === BLANK || byte === COMMA) continue;
      begin();
      if (byte === OBJECT_CLOSE || byte === COLON) return lose(true);
      if (byte === LIST_CLOSE) leave();
      else state = value;
      return true;
    }
    start = pos;
    return false;
  }

  function leave(): void {
    pos++;
    if (list === 'array') state = between;
    else {
      depth = 1;
      stack[0] = OBJECT_OPEN;
      after = AFTER_VALUE;
      state = value;
    }
    list = 'none';
  }

  function value(): boolean {
    const bytes = buffer;
    const stop = end;
    const outside = list === 'none';
    let i = pos;
    for (;;) {
      if (token === STRING) {
        while (i < stop && bytes[i] !== QUOTE) {
          const byte = bytes[i];
          if (byte === LF && outside) {
            pos = i;
            return lose(false);
          }
          if (byte === BACKSLASH && i + 1 === stop) return starve(i);
          i += byte === BACKSLASH ? 2 : 1;
        }
        if (i >= stop) return starve(i);
        i++;
        token = BLANK;
        const key = inKeyPlace();
        after = key ? AFTER_KEY : AFTER_VALUE;
        if (key && depth === 1 && outside) splits = isWrapperKey(tokenStart + 1, i - 1);
        if (depth === 0) return complete(i);
      } else if (token === OTHER) {
        while (i < stop && CLASS[bytes[i] as number] === OTHER) i++;
        if (i >= stop) return starve(i);
        token = BLANK;
        after = AFTER_VALUE;
        if (depth === 0) return complete(i);
      }
      if (i >= stop) return starve(i);
      const byte = bytes[i] as number;
      const what = CLASS[byte] as number;
      if (what === BLANK) i++;
      else if (what === SEPARATOR) {
        after = byte === COMMA ? AFTER_COMMA : AFTER_COLON;
        i++;
      } else if (what === CLOSE) {
        if (depth === 0 || (depth <= DEEPEST && stack[depth - 1] !== byte - CLOSE_MINUS_OPEN)) {
          pos = i;
          return lose(!outside);
        }
        depth--;
        after = AFTER_VALUE;
        i++;
        if (depth === 0) return complete(i);
      } else {
        if (after >= AFTER_KEY || (what !== STRING && inKeyPlace())) {
          if (outside) {
            pos = i;
            return lose(false);
          }
          if (suspectAt < 0) suspectAt = pushed - end + i;
        }
        if (what === OPEN) {
          if (splits && depth === 1 && byte === LIST_OPEN && after === AFTER_COLON && outside) {
            pos = i;
            return enter('member');
          }
          if (depth < DEEPEST) stack[depth] = byte;
          else tooDeep = true;
          depth++;
          after = AFTER_OPEN;
          i++;
        } else {
          token = what;
          tokenStart = i;
          if (what === STRING) i++;
        }
      }
    }
  }

  function inKeyPlace(): boolean {
    return after <= AFTER_COMMA && depth > 0 && depth <= DEEPEST && stack[depth - 1] === OBJECT_OPEN;
  }

  function isWrapperKey(from: number, to: number): boolean {
    return from > start && to - from <= LONGEST_WRAPPER && WRAPPERS.has(buffer.toString('latin1', from, to));
  }

  function starve(at: number): boolean {
    pos = at;
    if (suspectAt >= 0 && pushed - end + at - suspectAt > SUSPECT_BYTES) return lose(true);
    return hold(most);
  }

  function complete(at: number): boolean {
    pos = at;
    if (list === 'none' || (suspectAt < 0 && CLASS[buffer[pos - 1] as number] === CLOSE)) return finish();
    state = judge;
    return true;
  }

  /** Where a quote or bracket is lost the end is wrong: it is believed before a comma or the list's end, and, if a token was misplaced, where no other element begins earlier. */
  function judge(): boolean {
    let next = pos;
    while (next < end && CLASS[buffer[next] as number] === BLANK) next++;
    if (next === end && !finished) return hold(most);
    const ends = next === end || buffer[next] === COMMA || buffer[next] === LIST_CLOSE;
    if (suspectAt < 0 && ends) return finish();
    return lose(true, ends || firstKeys.size === 0 ? pushed - end + pos : -1);
  }

  function finish(): true {
    const bytes = buffer.subarray(start, pos);
    if (list !== 'none') {
      keep(bytes);
      state = elements;
    } else {
      if (wrapper.length > 0) closeWrapper(bytes);
      else keep(bytes);
      state = between;
    }
    start = pos;
    head = undefined;
    return true;
  }

  function closeWrapper(rest: Buffer): void {
    const whole = Buffer.concat([...wrapper, head ?? rest]);
    if (head || wrapperBytes + rest.length > most) reject(tooLarge, whole);
    else {
      const read = readJson(whole);
      if ('reason' in read) reject(read.reason, whole);
    }
    wrapper = [];
    wrapperBytes = 0;
  }

  function keep(bytes: Buffer): void {
    if (list !== 'none' && firstKeys.size < FIRST_KEYS && !head) {
      const key = firstKey(start);
      if (key) firstKeys.add(key);
    }
    const read = head || bytes.length > most ? { reason: tooLarge } : tooDeep ? { reason: TOO_DEEP } : readJson(bytes);
    if ('reason' in read) reject(read.reason, head ?? bytes);
    else found.push({ ok: true, position: ++position, text: read.text });
  }

  function readJson(bytes: Buffer): { text: string } | { reason: string } {
    if (!isUtf8(bytes)) return { reason: `invalid ${encodingName}` };
    const text = bytes.toString();
    try {
      JSON.parse(text);
    } catch (error) {
      return { reason: `malformed JSON: ${whyMalformed(error)}` };
    }
    return hasLoneSurrogate(text) ? { reason: 'malformed JSON: lone surrogate' } : { text };
  }

  function reject(reason: string, bytes: Uint8Array): void {
    found.push({ ok: false, position: ++position, reason, text: shown(bytes) });
  }

  /** What is no object or array at the top level has its line to itself. */
  function scalarLine(): boolean {
    const newline = nextLine();
    if (newline < 0) return false;
    keep(trimmed(buffer.subarray(start, newline)));
    start = pos;
    head = undefined;
    state = between;
    return true;
  }

  function flowLine(): boolean {
    const newline = nextLine();
    if (newline < 0) return false;
    keepFlow(buffer.subarray(start, newline));
    pos = Math.min(newline + 1, end);
    start = pos;
    head = undefined;
    return pos < end;
  }

  function nextLine(): number {
    const newline = buffer.subarray(pos, end).indexOf(LF);
    const last = newline < 0 && finished && fault === undefined;
    const at = newline < 0 ? end : pos + newline;
    pos = at;
    if (newline >= 0 || last) return at;
    hold(most);
    return -1;
  }

  function keepFlow(line: Buffer): void {
    const large = head !== undefined || line.length > most;
    if (large || !isUtf8(line)) {
      reject(large ? tooLarge : `invalid ${encodingName}`, head ?? line);
      return;
    }
    const from = MARK.every((byte, i) => line[i] === byte) ? MARK.length : 0;
    const text = line.toString('utf8', from, line.length - (line.at(-1) === CR ? 1 : 0));
    if (text.trim() === '') return;
    const names = flowHeader(text);
    if (names) header = names;
    else if (CONTROL.test(text)) reject('control character', line);
    else
      found.push(header ? { ok: true, position: ++position, text, header } : { ok: true, position: ++position, text });
  }

  /** The piece in hand cannot be balanced: looks for where the next one begins, from its second byte on while that stays cheap. */
  function lose(element: boolean, believed = -1): true {
    endAt = believed;
    scannedAgain += pos - start;
    seekElement = element || wrapper.length > 0;
    oversize = head !== undefined;
    if (list === 'none') {
      if (wrapper.length > 0) head ??= Buffer.concat([...wrapper, buffer.subarray(start, pos)]).subarray(0, SHOWN);
    } else {
      const own = firstKey(start);
      if (own) firstKeys.add(own);
    }
    pos = oversize || scannedAgain > 4 * pushed + 16 * MIB ? Math.max(pos, start + 1) : start + 1;
    state = search;
    return true;
  }

  function search(): boolean {
    for (; pos < end || endAt >= 0; pos++) {
      if (endAt >= 0 && pushed - end + pos >= endAt) {
        settle();
        state = elements;
        return true;
      }
      const byte = buffer[pos];
      if (byte === LF) {
        let next = pos + 1;
        while (next < end && next - pos <= indent + 1 && (buffer[next] === SPACE || buffer[next] === TAB)) next++;
        if (next === end && !finished) return hold(SHOWN);
        const key = seekElement && buffer[next] === OBJECT_OPEN ? firstKey(next) : undefined;
        if (key === null) return hold(SHOWN);
        const element = key !== undefined && firstKeys.has(key);
        if (!element && next - pos - 1 <= indent && next < end && startsValue(buffer[next] as number)) {
          settle();
          list = 'none';
          wrapper = [];
          wrapperBytes = 0;
          state = between;
          return true;
        }
      } else if (byte === OBJECT_OPEN && seekElement) {
        const key = firstKey(pos);
        if (key === null) return hold(SHOWN);
        if (key !== undefined && firstKeys.has(key)) {
          settle();
          if (list === 'none') list = 'member';
          state = elements;
          return true;
        }
      }
    }
    return hold(SHOWN);
  }

  function startsValue(byte: number): boolean {
    if (byte === OBJECT_OPEN || byte === LIST_OPEN) return true;
    return list === 'none' && CLASS[byte] !== BLANK && CLASS[byte] !== CLOSE && byte !== COMMA;
  }

  /** The first key of the object at an index, null where the bytes to come decide. */
  function firstKey(at: number): string | undefined | null {
    const second = buffer[at + 1] as number;
    if (at + 1 < end && second !== QUOTE && CLASS[second] !== BLANK) return undefined;
    const key = FIRST_KEY.exec(buffer.toString('utf8', at, Math.min(at + KEY_WINDOW, end)))?.[1];
    return key === undefined && at + KEY_WINDOW > end && !finished ? null : key;
  }

  function settle(): void {
    const bytes = trimmed(buffer.subarray(start, pos));
    reject(oversize ? tooLarge : damage(bytes), head ?? bytes);
    start = pos;
    head = undefined;
  }

  function damage(bytes: Buffer): string {
    if (tooDeep) return TOO_DEEP;
    const read = readJson(head ?? bytes);
    return 'reason' in read && (head?.length ?? 0) < SHOWN ? read.reason : 'malformed JSON';
  }

  function endOfInput(): void {
    finished = true;
    for (;;) {
      while (state());
      if (state !== value) break;
      atEnd = true;
      lose(suspectAt >= 0);
    }
    const bytes = buffer.subarray(start, end);
    if (state === elements) reject(fault ?? 'truncated', bytes);
    else if (state === search)
      reject(fault ?? (oversize ? tooLarge : atEnd ? 'truncated' : damage(bytes)), head ?? bytes);
    else if (fault !== undefined) reject(fault, head ?? bytes);
    fault = undefined;
    start = pos = end;
    head = undefined;
    list = 'none';
    state = () => false;
  }

  return {
    encoding: ({ name }) => {
      encodingName = name.slice(0, 6);
    },
    push,
    fault: ({ reason, last, text }) => {
      if (last && text === undefined) {
        fault = reason;
        endOfInput();
      } else {
        if (last) endOfInput();
        reject(reason, text ?? new Uint8Array(0));
      }
    },
    end: (rest) => {
      if (rest && rest.length > 0) push(rest);
      endOfInput();
    },
    take: () => {
      const taken = found;
      found = [];
      return taken;
    },
  };
}

function trimmed(bytes: Buffer): Buffer {
  let to = bytes.length;
  while (to > 0 && (CLASS[bytes[to - 1] as number] === BLANK || bytes[to - 1] === COMMA)) to--;
  return bytes.subarray(0, to);
}

function shown(bytes: Uint8Array): string {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  return decoder.decode(bytes.subarray(0, SHOWN), { stream: bytes.length >= SHOWN });
}

/** V8's message without the excerpt of the text, which may hold half a surrogate pair. */
function whyMalformed(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return Buffer.from(message.replace(/, (?:\.\.\.)?".*$/s, '')).toString();
}

// JSON.parse takes an unpaired \ud800, DuckDB does not.
function hasLoneSurrogate(text: string): boolean {
  if (!SURROGATE.test(text)) return false;
  for (const [, lone] of text.matchAll(ESCAPES)) if (lone !== undefined) return true;
  return false;
}
