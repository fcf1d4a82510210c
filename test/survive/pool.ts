import { readFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import { globSync } from 'tinyglobby';
import type { SourceName } from '../../samples/source.ts';

/** One record as a log holds it. */
export interface PoolRecord {
  readonly name: string;
  readonly source: SourceName;
  readonly text: string;
  /** It is not even a record, so it can only stand on a line of its own. */
  readonly broken?: true;
}

const day = Date.UTC(2026, 10, 5);
const iso = (minutes: number): string => new Date(day + minutes * 60_000).toISOString().replace('.000Z', 'Z');

const signIn = (name: string, minutes: number, user: string, more: object = {}): PoolRecord => ({
  name,
  source: 'cloudtrail',
  text: JSON.stringify({
    eventVersion: '1.08',
    userIdentity: { type: 'IAMUser', accountId: '123456789012', userName: user },
    eventTime: iso(minutes),
    eventSource: 'signin.amazonaws.com',
    eventName: 'ConsoleLogin',
    awsRegion: 'us-east-1',
    sourceIPAddress: '203.0.113.66',
    userAgent: 'Mozilla/5.0 <"\u00e9\u2028\\/">',
    errorMessage: 'Failed authentication',
    requestParameters: null,
    responseElements: { ConsoleLogin: 'Failure' },
    additionalEventData: { MobileVersion: 'No', MFAUsed: 'No', ratio: 1.5, big: 12345678901234 },
    eventID: `00000000-0000-4000-8000-${name.padStart(12, '0')}`,
    eventType: 'AwsConsoleSignIn',
    recipientAccountId: '123456789012',
    ...more,
  }),
});

const login = (name: string, minutes: number, user: string, status: number): PoolRecord => ({
  name,
  source: 'databricks_audit',
  text: JSON.stringify({
    version: '2.0',
    auditLevel: 'ACCOUNT_LEVEL',
    timestamp: day + minutes * 60_000,
    orgId: '0',
    accountId: '7f6e5d4c-3b2a-4190-8f7e-6d5c4b3a2910',
    sourceIPAddress: '203.0.113.66',
    userIdentity: { email: user },
    serviceName: 'accounts',
    actionName: 'login',
    requestId: name,
    requestParams: { user },
    response: { statusCode: status, errorMessage: null, result: null },
  }),
});

const flow = (name: string, seconds: number, port: number, action: 'ACCEPT' | 'REJECT', bytes = 40): PoolRecord => ({
  name,
  source: 'vpc_flow',
  text: `2 123456789012 eni-0f1e2d3c4b5a69788 203.0.113.66 10.20.1.240 51000 ${port} 6 1 ${bytes} ${day / 1000 + seconds} ${day / 1000 + seconds + 30} ${action} OK`,
});

const range = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i));

/** Records around the thresholds of the sliding windows, across hours, with conflicts and with what no reader can take. */
export const pool: readonly PoolRecord[] = [
  ...range(9, (i) => signIn(`c${i}`, 8 * 60 + 50 + 2 * i, 'ana')),
  ...range(4, (i) => signIn(`c2${i}`, 9 * 60 + 14 + 4 * i, 'ana')),
  signIn('c30', 8 * 60 + 53, 'ben', { errorMessage: null, responseElements: { ConsoleLogin: 'Success' } }),
  { ...signIn('c1', 8 * 60 + 52, 'ana', { sourceIPAddress: '203.0.113.67' }), name: 'c1 conflict' },
  { ...signIn('c30', 8 * 60 + 55, 'eve', { responseElements: { ConsoleLogin: 'Success' } }), name: 'c30 conflict' },
  {
    name: 'c no time',
    source: 'cloudtrail',
    text: '{"eventID":"00000000-0000-4000-8000-0000000000ff","eventName":"X"}',
  },
  { name: 'c no object', source: 'cloudtrail', text: '["no","object"]', broken: true },
  { name: 'c cut', source: 'cloudtrail', text: '{"eventVersion":"1.08","userIdentity":{"ty', broken: true },
  ...range(13, (i) => login(`d${i}`, 8 * 60 + 20 + 5 * i, `user-${i}@example.com`, 401)),
  login('d30', 9 * 60, 'user-3@example.com', 200),
  { name: 'd cut', source: 'databricks_audit', text: '{"version":"2.0","timestamp":17', broken: true },
  ...range(30, (i) => flow(`v${i}`, 9 * 3600 + 30 * 60 + 110 * i, 1000 + i, 'REJECT')),
  ...range(5, (i) => flow(`v4${i}`, 9 * 3600 + 50 * 60 + 300 * i, 443, 'ACCEPT', 1_000_000 * (i + 1))),
  { name: 'v short', source: 'vpc_flow', text: '2 123456789012 eni-0f1e2d3c4b5a69788 - -' },
  {
    name: 'v absurd',
    source: 'vpc_flow',
    text: '2 123456789012 eni-0f1e2d3c4b5a69788 - - - - - - - 99999999999 99999999999 - NODATA',
  },
];

/** How a file writes its records. */
export const forms = ['list', 'lines', 'pretty', 'gzip'] as const;
export type Form = (typeof forms)[number];

const FLOW_HEADER =
  'version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status';

/** The bytes of a file with these records; what is no record is left out where it would damage its neighbours. */
export function fileOf(source: SourceName, form: Form, records: readonly PoolRecord[]): Buffer {
  const line = form === 'lines' || form === 'gzip' || source === 'vpc_flow';
  const texts = records.filter((r) => line || !r.broken).map((r) => r.text);
  const pretty = texts.map((text) => (line ? text : JSON.stringify(JSON.parse(text), null, 2)));
  const content =
    source === 'vpc_flow'
      ? `${[FLOW_HEADER, ...texts].join('\n')}\n`
      : line
        ? `${texts.join('\n')}\n`
        : form === 'list'
          ? `{"${source === 'cloudtrail' ? 'Records' : 'records'}":[${texts.join(',')}]}`
          : `[\n${pretty.join(',\n')}\n]`;
  return form === 'gzip' ? gzipSync(content) : Buffer.from(content);
}

/** Every line of the samples, by source: real-shaped records. */
export function sampleRecords(): { source: SourceName; text: string }[] {
  const read = (path: string): string => {
    const bytes = readFileSync(path);
    return (bytes[0] === 0x1f ? gunzipSync(bytes) : bytes).toString('utf8');
  };
  const parsable = (text: string): boolean => {
    try {
      JSON.parse(text);
      return true;
    } catch {
      return false;
    }
  };
  const lines = (source: SourceName): string[] =>
    globSync(`samples/${source}/**/*.*`, { absolute: true })
      .sort()
      .flatMap((path) => read(path).split('\n'))
      .filter((l) => l !== '');
  const trails = globSync('samples/cloudtrail/**/*.json.gz', { absolute: true })
    .sort()
    .flatMap((path) => (JSON.parse(read(path)) as { Records: unknown[] }).Records)
    .map((record) => JSON.stringify(record));
  return [
    ...lines('databricks_audit')
      .filter(parsable)
      .map((text) => ({ source: 'databricks_audit' as const, text })),
    ...trails.map((text) => ({ source: 'cloudtrail' as const, text })),
    ...lines('vpc_flow')
      .filter((text) => !text.startsWith('version'))
      .map((text) => ({ source: 'vpc_flow' as const, text })),
  ];
}
