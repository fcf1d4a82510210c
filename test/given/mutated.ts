import { type Random, random } from '../../samples/random.ts';
import type { SourceName } from '../../samples/source.ts';
import { sampleRecords } from '../survive/pool.ts';

/** What a field can hold that its documentation does not mention. */
const odd: readonly unknown[] = [
  ...[null, true, false, 0, -1, 1e300, 12345678901234567890n, 1.5],
  ...['', ' ', '-', 'null', 'None', 'N/A', 'undefined', 'True', ' padded ', '\n', 'two\nlines', '🦆', '\u202e', '<b>'],
  ...['{"a":', '[1,2', '{"x":NaN}', '"quoted"', '[null]', '/', 'arn:', 'a@b.c', 'Ü@é.com', 'x'.repeat(3000)],
  ...['0.0.0.0', '::', '::ffff:192.0.2.1', '192.0.2.1:99', 'fe80::1%eth0', '[', '2001:DB8:0::1', '256.1.1.1'],
  ...['2026-11-05', '20131102T010628Z', '9999-12-31T23:59:59Z', '0001-01-01T00:00:00Z', '1793870200'],
  ...['HIDDEN_DUE_TO_SECURITY_REASONS', '__REDACTED__', 'System-User', 'i-0123456789abcdef0', '65536', '-5', '1e5'],
];
const structures: readonly unknown[] = [[], {}, [null], [{}], { a: { b: 1 } }, [['x']]];
const asJson = (value: unknown): string => (typeof value === 'bigint' ? String(value) : JSON.stringify(value));

type Json = { [key: string]: unknown };
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null;
const places = (value: unknown): [Json, string][] =>
  isObject(value) ? Object.keys(value).flatMap((key) => [[value, key] as [Json, string], ...places(value[key])]) : [];

/** Changes up to three fields of a JSON record: gone, of another type, in lower case, JSON as text, or odd. */
function mutateJson(text: string, chance: Random): string {
  const record = JSON.parse(text);
  const marks = new Map<string, string>();
  for (let n = 1 + chance.below(3); n > 0; n--) {
    const all = places(record);
    if (all.length === 0) break;
    const [holder, key] = chance.pick(all);
    const kind = chance.below(10);
    if (kind === 0) delete holder[key];
    else if (kind === 1 && !Array.isArray(holder)) {
      const value = holder[key];
      delete holder[key];
      holder[key.toLowerCase()] = value;
    } else if (kind === 2) holder[key] = JSON.stringify(holder[key]);
    else if (kind === 3) holder[key] = ` ${String(holder[key])} `;
    else {
      const mark = `\u0001${marks.size}\u0001`;
      marks.set(JSON.stringify(mark), asJson(chance.pick(kind < 5 ? structures : odd)));
      holder[key] = mark;
    }
  }
  let made = JSON.stringify(record);
  for (const [mark, value] of marks) made = made.replace(mark, () => value);
  return made;
}

/** Changes up to three fields of a flow record. */
function mutateLine(line: string, chance: Random): string {
  const fields = line.split(' ');
  for (let n = 1 + chance.below(3); n > 0; n--) {
    const words = odd.map(String).filter((word) => /^\S+$/.test(word));
    fields[chance.below(fields.length)] = chance.pick([...words, 'ACCEPT', 'NODATA', 'SKIPDATA', 'ingress', 'egress']);
  }
  return fields.join(' ');
}

const HEADER =
  'version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status';

/** For each source, as many records of the samples whose fields hold what nobody documented, as the text of a file. */
export function mutatedFiles(records: number): Record<SourceName, string> {
  const chance = random(2026, 11, 5);
  const all = sampleRecords().filter((r) => r.source !== 'vpc_flow' || r.text.split(' ').length === 14);
  const made = (source: SourceName, mutate: (text: string, chance: Random) => string): string[] => {
    const own = all.filter((r) => r.source === source);
    return Array.from({ length: records }, () => mutate(chance.pick(own).text, chance));
  };
  return {
    cloudtrail: made('cloudtrail', mutateJson).join('\n'),
    databricks_audit: made('databricks_audit', mutateJson).join('\n'),
    vpc_flow: [HEADER, ...made('vpc_flow', mutateLine)].join('\n'),
  };
}
