import { type FileHandle, open } from 'node:fs/promises';
import { constants, createGunzip } from 'node:zlib';
import { foreignFormat } from './foreign.ts';

/** How a file's text is laid out, judged by its first 64 kB; 'odd' must be decoded (decode.ts), `why` says what stands in the way. */
export type Shape =
  | { kind: 'json'; layout: 'document' | 'lines' }
  | { kind: 'text'; header: readonly string[] | undefined }
  | { kind: 'parquet' }
  | { kind: 'empty' }
  | { kind: 'odd'; why: string };

/** `gzip` is judged by the magic bytes, never by the name; `inflatedBytes` is exact for plain files and an estimate for gzip. */
export interface Sniffed {
  shape: Shape;
  gzip: boolean;
  inflatedBytes: number;
}

/** The encoding that the first bytes announce, and how many of them are a byte order mark. */
export interface Encoding {
  name: 'UTF-8' | 'UTF-16LE' | 'UTF-16BE';
  mark: number;
}

const SAMPLE = 64 * 1024;
const GZIP_HIGHEST_RATIO = 1032;

// https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html
const FLOW_FIELDS = new Set(
  `version account_id interface_id srcaddr dstaddr srcport dstport protocol packets bytes start end action log_status
  vpc_id subnet_id instance_id tcp_flags type pkt_srcaddr pkt_dstaddr region az_id sublocation_type sublocation_id
  pkt_src_aws_service pkt_dst_aws_service flow_direction traffic_path resource_type tgw_id tgw_attachment_id
  tgw_src_vpc_account_id tgw_dst_vpc_account_id tgw_src_vpc_id tgw_dst_vpc_id tgw_src_subnet_id tgw_dst_subnet_id
  tgw_src_eni tgw_dst_eni tgw_src_az_id tgw_dst_az_id tgw_pair_attachment_id packets_lost_no_route
  packets_lost_blackhole packets_lost_mtu_exceeded packets_lost_ttl_expired ecs_cluster_arn ecs_cluster_name
  ecs_container_instance_arn ecs_container_instance_id ecs_container_id ecs_second_container_id ecs_service_name
  ecs_task_definition_arn ecs_task_arn ecs_task_id reject_reason resource_id encryption_status
  instance_tag instance_tag_2 interface_tag interface_tag_2 asg_tag asg_tag_2 interface_type next_hop_interface_id
  next_hop_subnet_id next_hop_az_id next_hop_vpc_id next_hop_interface_type`.split(/\s+/),
);
const LONGEST_HEADER = 8 * 1024;
const ALL_NAMES = /^[ \t]*[a-z][\w-]*(?:[ \t]+[a-z][\w-]*)*[ \t]*$/i;

/** A flow log's field names as underscored lower case, from a manifest's format or a header line. */
export function flowNames(line: string): string[] {
  return line
    .trim()
    .split(/[ \t]+/)
    .map((name) => name.toLowerCase().replaceAll('-', '_'));
}

/** The names of a flow log's header line; undefined for a line of data. */
export function flowHeader(line: string): string[] | undefined {
  if (line.length > LONGEST_HEADER || !ALL_NAMES.test(line)) return undefined;
  const names = flowNames(line);
  return names[0] === 'version' || names.some((name) => FLOW_FIELDS.has(name)) ? names : undefined;
}

/** Whether these first bytes are gzip's. */
export function isGzip(head: Uint8Array): boolean {
  return head[0] === 0x1f && head[1] === 0x8b;
}

const isParquet = (head: Buffer): boolean => head.toString('latin1', 0, 4) === 'PAR1';

/** Four bytes are enough; UTF-16 without a mark is known by its zeros around ASCII (RFC 4627, section 3). */
export function encodingOf([a, b, c, d]: Uint8Array): Encoding {
  if (a === 0xef && b === 0xbb && c === 0xbf) return { name: 'UTF-8', mark: 3 };
  if (a === 0xff && b === 0xfe) return { name: 'UTF-16LE', mark: 2 };
  if (a === 0xfe && b === 0xff) return { name: 'UTF-16BE', mark: 2 };
  if (a && b === 0 && c && d === 0) return { name: 'UTF-16LE', mark: 0 };
  if (a === 0 && b && c === 0 && d) return { name: 'UTF-16BE', mark: 0 };
  return { name: 'UTF-8', mark: 0 };
}

/** Looks at the first 64 kB of a file (and the last 4 bytes of a gzip one); `size` is the file's size in bytes. Errors of the file system are thrown. */
export async function sniff(path: string, size: number): Promise<Sniffed> {
  const file = await open(path);
  try {
    const head = await readAt(file, 0, SAMPLE);
    const whole = head.length < SAMPLE || size <= SAMPLE;
    if (!isGzip(head)) {
      const shape: Shape = isParquet(head) ? { kind: 'parquet' } : shapeOf(head, whole);
      return { shape, gzip: false, inflatedBytes: size };
    }
    const sample = await inflateHead(head, whole);
    const inflatedBytes = sample.whole ? sample.bytes.length : await inflatedSize(file, size, sample);
    const shape: Shape = sample.error ? { kind: 'odd', why: sample.error } : shapeOf(sample.bytes, sample.whole);
    return { shape, gzip: true, inflatedBytes };
  } finally {
    await file.close();
  }
}

async function readAt(file: FileHandle, from: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(bytes, filled, length - filled, from + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}

interface Sample {
  bytes: Buffer;
  consumed: number;
  whole: boolean;
  error: string | undefined;
}

async function inflateHead(head: Buffer, whole: boolean): Promise<Sample> {
  const gunzip = createGunzip({ chunkSize: SAMPLE, finishFlush: whole ? constants.Z_FINISH : constants.Z_SYNC_FLUSH });
  const parts: Buffer[] = [];
  let length = 0;
  let error: string | undefined;
  gunzip.end(head);
  try {
    for await (const part of gunzip) {
      parts.push(part);
      length += part.length;
      if (length >= SAMPLE) break;
    }
  } catch (cause) {
    error = `gzip: ${cause instanceof Error ? cause.message : cause}`;
  }
  const consumed = Math.max(1, gunzip.bytesWritten);
  const done = whole && error === undefined && length < SAMPLE;
  if (done && consumed < head.length) error = 'gzip: trailing garbage';
  return { bytes: Buffer.concat(parts), consumed, whole: done, error };
}

/** ISIZE is the last member's size modulo 4 GiB, and noise in a truncated file: taken only where the sample's ratio makes it plausible. */
async function inflatedSize(file: FileHandle, size: number, { bytes, consumed }: Sample): Promise<number> {
  const byRatio = Math.round(size * Math.min(GZIP_HIGHEST_RATIO, bytes.length / consumed));
  const trailer = await readAt(file, Math.max(0, size - 4), 4);
  const isize = trailer.length === 4 ? trailer.readUInt32LE() : 0;
  return isize >= byRatio / 4 && isize <= byRatio * 16 ? isize : byRatio;
}

function shapeOf(head: Buffer, whole: boolean): Shape {
  if (head.length === 0) return { kind: 'empty' };
  if (isGzip(head)) return { kind: 'odd', why: 'gzip inside gzip' };
  const { name, mark } = encodingOf(head);
  if (name !== 'UTF-8') return { kind: 'odd', why: name };
  const foreign = foreignFormat(head);
  if (foreign !== undefined) return { kind: 'odd', why: foreign };
  const text = utf8(head.subarray(mark), whole);
  if (text === undefined) return { kind: 'odd', why: 'invalid UTF-8' };
  if (/[\x00-\x08\x0b\x0e-\x1f]/.test(text)) return { kind: 'odd', why: 'control characters' };
  const body = text.trimStart();
  if (body === '') return whole ? { kind: 'empty' } : { kind: 'odd', why: 'blank for the first 64 kB' };
  if (mark > 0) return { kind: 'odd', why: 'byte order mark' };
  return body.startsWith('{') || body.startsWith('[') ? jsonShape(body, whole) : textShape(body, whole);
}

function utf8(bytes: Buffer, whole: boolean): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes, { stream: !whole });
  } catch {
    return undefined;
  }
}

function jsonShape(body: string, whole: boolean): Shape {
  const newline = body.indexOf('\n');
  const seen = newline >= 0 || whole;
  return { kind: 'json', layout: seen && isJson(newline < 0 ? body : body.slice(0, newline)) ? 'lines' : 'document' };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function textShape(body: string, whole: boolean): Shape {
  const lines = body.split(/\r?\n/);
  if (!whole) lines.pop();
  const [first] = lines;
  if (first === undefined) return { kind: 'odd', why: 'first line longer than 64 kB' };
  const header = flowHeader(first);
  const other = lines.slice(1).some((line) => {
    const names = flowHeader(line);
    return names !== undefined && names.join() !== header?.join();
  });
  return other ? { kind: 'odd', why: 'several headers' } : { kind: 'text', header };
}
