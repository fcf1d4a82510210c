const UNPACK = 'unpack it, for only plain and gzip files are read';
const CONVERT = 'convert it to JSON lines or Parquet';
const LEAVE = 'leave it out of the path';

/** The first bytes of formats that hold no log, or hold it where it is not read, as Latin-1; what each is and what to do with it. */
const FORMATS: readonly (readonly [begins: RegExp, what: string, remedy: string])[] = [
  [/^PK\x03\x04.*(xl|word|ppt)\//s, 'an Office document', CONVERT],
  [/^PK\x03\x04/, 'a zip archive', UNPACK],
  [/^.{257}ustar/s, 'a tar archive', UNPACK],
  [/^7z\xbc\xaf\x27\x1c/, 'a 7z archive', UNPACK],
  [/^Rar!\x1a\x07/, 'a RAR archive', UNPACK],
  [/^\x28\xb5\x2f\xfd/, 'compressed with zstd', UNPACK],
  [/^BZh[1-9]1AY&SY/, 'compressed with bzip2', UNPACK],
  [/^\xfd7zXZ\x00/, 'compressed with xz', UNPACK],
  [/^\x04\x22\x4d\x18/, 'compressed with lz4', UNPACK],
  [/^\xff\x06\x00\x00sNaPpY/, 'compressed with snappy', UNPACK],
  [/^Obj\x01/, 'Avro', CONVERT],
  [/^ORC.*[\x00-\x08]/s, 'ORC', CONVERT],
  [/^PAR1/, 'Parquet inside gzip', UNPACK],
  [/^PARE/, 'encrypted Parquet', 'decrypt it'],
  [/^\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1/, 'an Office document', CONVERT],
  [/^SQLite format 3\x00/, 'an SQLite database', LEAVE],
  [/^.{8}DUCK/s, 'a DuckDB database', LEAVE],
  [/^%PDF-/, 'a PDF document', LEAVE],
  [/^(\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a)/, 'an image', LEAVE],
  [/^\x7fELF/, 'a program', LEAVE],
];

/** As many bytes of a file as it takes to see that it is no log. */
export const FOREIGN_SAMPLE = 4096;
const SHORTEST_SAMPLE = 64;
/** A damaged text has few control characters; of random bytes a tenth are. */
const MOST_CONTROL = 1 / 16;

const isControl = (byte: number): boolean => byte < 9 || (byte > 13 && byte < 32 && byte !== 27);

/** Why a file that begins with these bytes, once inflated, holds no records of any log, and what to do with it; undefined where it may hold some. */
export function foreignFormat(head: Uint8Array): string | undefined {
  const sample = head.subarray(0, FOREIGN_SAMPLE);
  const text = Buffer.from(sample).toString('latin1');
  const known = FORMATS.find(([begins]) => begins.test(text));
  if (known) return `${known[1]}: ${known[2]}`;
  if (sample.length < SHORTEST_SAMPLE) return undefined;
  return sample.filter(isControl).length > sample.length * MOST_CONTROL ? `binary, no text: ${LEAVE}` : undefined;
}
