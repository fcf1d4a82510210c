import { random } from './random.ts';

/** The AWS account of the made-up company. */
export const account = '123456789012';
/** Where the company has its networks; its global AWS services log in the first. */
export const regions = ['us-east-1', 'eu-west-1'] as const;
/** One of the company's regions. */
export type Region = (typeof regions)[number];

/** The Databricks account; its events are delivered under workspace 0. */
export const databricksAccount = '7f6e5d4c-3b2a-4190-8f7e-6d5c4b3a2910';
/** Workspace ids fit into a JSON number; the first workspace spells them `orgId`, as text, the second `workspaceId`. */
export const workspaces = [1234567890123456, 2345678901234567] as const;

/** The buckets of the company's data lake. */
export const buckets = ['example-lake-raw', 'example-lake-curated', 'example-customer-exports', 'example-app-assets'];
/** The public address that private subnets leave through, by region. */
export const natAddress: Record<Region, string> = { 'us-east-1': '198.51.100.10', 'eu-west-1': '198.51.100.11' };

/** Someone who works there: an e-mail in Databricks, an IAM user or an SSO session in AWS, one network address. */
export interface Person {
  readonly name: string;
  readonly email: string;
  readonly address: string;
  readonly databricksUser: string;
  readonly browser: string;
}

const firstNames =
  'ben chloe dara elif farid greta hana ivo jonas kofi lena marek nadia omar petra quentin rosa sami tara uma viktor wen yara zoe'.split(
    ' ',
  );
const lastNames =
  'abel brandt cruz dietz evers frank gomez haas ito jansen klein lopez meyer novak okafor park quist roth silva tran ueda vogel weiss young'.split(
    ' ',
  );
const browsers = [
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Safari/605.1.15',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Firefox/144.0',
  'Mozilla/5.0 (X11; Linux x86_64) Chrome/141.0.0.0',
];

/** The same person for the same number, in every run. */
export function person(number: number): Person {
  const first = firstNames[number % firstNames.length];
  const last = lastNames[Math.floor(number / firstNames.length + number * 7) % lastNames.length];
  const again = Math.floor(number / (firstNames.length * lastNames.length));
  const name = again === 0 ? `${first}.${last}` : `${first}.${last}${again}`;
  return {
    name,
    email: `${name}@example.com`,
    address: number % 11 === 10 ? `2001:db8:17:${number.toString(16)}::1a` : `192.0.2.${10 + (number % 200)}`,
    databricksUser: String(7_000_000_000_000 + number * 7_919),
    browser: browsers[number % browsers.length] ?? '',
  };
}

/** A network interface of the company's VPC, and what it belongs to. */
export interface Host {
  readonly region: Region;
  readonly address: string;
  readonly address6: string;
  readonly networkInterface: string;
  /** `-` where no instance stands behind the interface: gateways, load balancers, databases. */
  readonly instance: string;
  readonly vpc: string;
  readonly subnet: string;
  readonly zone: string;
}

/** What a host does; gateways, balancers and databases have no instance. */
export type HostRole = 'node' | 'app' | 'balancer' | 'nat' | 'bastion' | 'resolver' | 'database';

const network: Record<Region, { prefix: string; vpc: string; zones: readonly string[] }> = {
  'us-east-1': { prefix: '10.20', vpc: 'vpc-0d1e2f3a4b5c6d701', zones: ['use1-az1', 'use1-az2', 'use1-az4'] },
  'eu-west-1': { prefix: '10.30', vpc: 'vpc-0d1e2f3a4b5c6d702', zones: ['euw1-az1', 'euw1-az2', 'euw1-az3'] },
};
const placement: Record<
  HostRole,
  { salt: number; octet: number; first: number; perSubnet: number; instance: boolean }
> = {
  node: { salt: 1, octet: 1, first: 10, perSubnet: 200, instance: true },
  app: { salt: 2, octet: 100, first: 10, perSubnet: 200, instance: true },
  balancer: { salt: 3, octet: 220, first: 10, perSubnet: 200, instance: false },
  nat: { salt: 4, octet: 0, first: 5, perSubnet: 4, instance: false },
  bastion: { salt: 5, octet: 0, first: 10, perSubnet: 4, instance: true },
  resolver: { salt: 6, octet: 0, first: 53, perSubnet: 2, instance: true },
  database: { salt: 7, octet: 200, first: 10, perSubnet: 200, instance: false },
};
const identifiers = random(0, 0, 0);

/** The same interface for the same region, role and number, in every run. */
export function host(region: Region, role: HostRole, number: number): Host {
  const { salt, octet, first, perSubnet, instance } = placement[role];
  const { prefix, vpc, zones } = network[region];
  const third = octet + Math.floor(number / perSubnet);
  const fourth = first + (number % perSubnet);
  const regionSalt = regions.indexOf(region) * 100;
  const subnet = `subnet-0${identifiers.seed(11, regionSalt, third).hex(16)}`;
  identifiers.seed(12, regionSalt + salt, number);
  return {
    region,
    address: `${prefix}.${third}.${fourth}`,
    address6: `2001:db8:${prefix.slice(3)}:${third.toString(16)}::${fourth.toString(16)}`,
    networkInterface: `eni-0${identifiers.hex(16)}`,
    instance: instance ? `i-0${identifiers.hex(16)}` : '-',
    vpc,
    subnet,
    zone: zones[third % zones.length] ?? '',
  };
}

/** Several hosts of one role, numbered from 0. */
export function hosts(region: Region, role: HostRole, count: number): readonly Host[] {
  return Array.from({ length: count }, (_, number) => host(region, role, number));
}
