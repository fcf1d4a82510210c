import { account, type Host, hosts, type Region, regions } from '../estate.ts';
import { random } from '../random.ts';
import type { LogSource } from '../source.ts';

/** One flow log record; start and end are epoch seconds, what is absent is written as `-`. */
export interface Flow {
  readonly host: Host;
  readonly status?: 'OK' | 'NODATA' | 'SKIPDATA';
  readonly start: number;
  readonly end: number;
  readonly source?: string;
  readonly destination?: string;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  /** IANA number: 1 ICMP, 6 TCP, 17 UDP, 58 ICMPv6. */
  readonly protocol?: number;
  readonly packets?: number;
  readonly bytes?: number;
  readonly action?: 'ACCEPT' | 'REJECT';
  /** The TCP flags seen in the window, or-ed: FIN 1, SYN 2, RST 4, SYN-ACK 18. */
  readonly flags?: number;
  readonly direction?: 'ingress' | 'egress';
  /** The addresses inside the packet, where a gateway stands between. */
  readonly packetSource?: string;
  readonly packetDestination?: string;
  readonly sourceService?: string | undefined;
  readonly destinationService?: string | undefined;
  /** Of egress records only: 1 same VPC, 7 gateway endpoint, 8 internet gateway. */
  readonly path?: number | undefined;
}

/** One flow log for each region: a custom format of version 5, and the default format of version 2. */
const flowLogs: Record<Region, { id: string; version: 2 | 5 }> = {
  'us-east-1': { id: 'fl-0a9b8c7d6e5f40312', version: 5 },
  'eu-west-1': { id: 'fl-0a9b8c7d6e5f40313', version: 2 },
};
const headers = {
  2: 'version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status',
  5: 'version account-id vpc-id subnet-id instance-id interface-id type srcaddr srcport pkt-srcaddr dstaddr dstport pkt-dstaddr protocol packets bytes start end action tcp-flags log-status region az-id sublocation-type sublocation-id pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path',
} as const;

/** The line of a flow, in the format of its region's flow log. */
export function flowLine(flow: Flow): string {
  const { host, source = '-', destination = '-', sourcePort = '-', destinationPort = '-', protocol = '-' } = flow;
  const { packets = '-', bytes = '-', start, end, action = '-', status = 'OK' } = flow;
  if (flowLogs[host.region].version === 2)
    return `2 ${account} ${host.networkInterface} ${source} ${destination} ${sourcePort} ${destinationPort} ${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${status}`;
  const type = source === '-' ? '-' : source.includes(':') ? 'IPv6' : 'IPv4';
  return `5 ${account} ${host.vpc} ${host.subnet} ${host.instance} ${host.networkInterface} ${type} ${source} ${sourcePort} ${flow.packetSource ?? source} ${destination} ${destinationPort} ${flow.packetDestination ?? destination} ${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${flow.flags ?? '-'} ${status} ${host.region} ${host.zone} - - ${flow.sourceService ?? '-'} ${flow.destinationService ?? '-'} ${flow.direction ?? '-'} ${flow.path ?? '-'}`;
}

/** A request and what came back for it, both seen at the interface of one host. */
export interface Exchange {
  readonly host: Host;
  readonly opener: 'host' | 'peer';
  readonly peer: string;
  readonly start: number;
  readonly end: number;
  readonly clientPort: number;
  readonly serverPort: number;
  readonly protocol: number;
  readonly bytes: readonly [asked: number, answered: number];
  readonly packets: readonly [asked: number, answered: number];
  readonly path: number;
  readonly service?: string | undefined;
  /** The far end that the packets name, where the peer is only a gateway's address. */
  readonly behind?: string | undefined;
}

/** The two records of an exchange: what was asked and what was answered. */
export function flowsOf(exchange: Exchange): readonly [asked: Flow, answered: Flow] {
  const { host, peer, behind = peer, protocol, clientPort, serverPort, service, path } = exchange;
  const own = peer.includes(':') ? host.address6 : host.address;
  const flow = (side: 0 | 1): Flow => {
    const egress = (exchange.opener === 'host') === (side === 0);
    return {
      host,
      start: exchange.start,
      end: exchange.end,
      source: egress ? own : peer,
      destination: egress ? peer : own,
      packetSource: egress ? own : behind,
      packetDestination: egress ? behind : own,
      sourcePort: side === 0 ? clientPort : serverPort,
      destinationPort: side === 0 ? serverPort : clientPort,
      protocol,
      packets: exchange.packets[side],
      bytes: exchange.bytes[side],
      action: 'ACCEPT',
      flags: protocol === 6 ? (side === 0 ? 3 : 19) : 0,
      direction: egress ? 'egress' : 'ingress',
      sourceService: egress ? undefined : service,
      destinationService: egress ? service : undefined,
      path: egress ? path : undefined,
    };
  };
  return [flow(0), flow(1)];
}

const scannedPorts = [23, 22, 445, 8080, 3389, 5060, 1433, 6379, 8443, 5900, 81, 2323];
/** A prime, so that flows that begin in the same second never share a port. */
const clientPorts = 28_229;
const clusterPorts = [7_077, 4_040, 35_001, 35_002];

interface Fleet {
  readonly nodes: readonly Host[];
  readonly apps: readonly Host[];
  readonly balancers: readonly Host[];
  readonly nats: readonly Host[];
  readonly bastions: readonly Host[];
  readonly resolvers: readonly Host[];
  readonly databases: readonly Host[];
  readonly all: readonly Host[];
}

function fleet(region: Region, records: number): Fleet {
  const nodes = hosts(region, 'node', Math.max(8, Math.ceil(records / 16_000)));
  const apps = hosts(region, 'app', Math.max(4, Math.ceil(records / 24_000)));
  const balancers = hosts(region, 'balancer', Math.max(2, Math.ceil(records / 60_000)));
  const nats = hosts(region, 'nat', 1);
  const bastions = hosts(region, 'bastion', 1);
  const resolvers = hosts(region, 'resolver', 1);
  const databases = hosts(region, 'database', 2);
  const all = [...nodes, ...apps, ...balancers, ...nats, ...bastions, ...resolvers, ...databases];
  return { nodes, apps, balancers, nats, bastions, resolvers, databases, all };
}

const timestamp = (time: Date): string => `${time.toISOString().slice(0, 16).replaceAll(/[-:]/g, '')}Z`;

/** VPC flow logs: exchanges seen from both sides, rejected noise from the internet, NODATA and SKIPDATA rows. */
export const vpcFlow: LogSource = {
  name: 'vpc_flow',
  recordsPerFile: 100_000,
  path({ stream, delivered, suffix }) {
    const { id } = flowLogs[stream as Region];
    const day = delivered.toISOString().slice(0, 10).replaceAll('-', '/');
    return `vpc_flow/AWSLogs/${account}/vpcflowlogs/${stream}/${day}/${account}_vpcflowlogs_${stream}_${id}_${timestamp(delivered)}_${suffix.slice(0, 8)}.log.gz`;
  },
  frame: (stream) => ({ head: `${headers[flowLogs[stream as Region].version]}\n`, between: '\n', tail: '\n' }),
  broken(text, chance) {
    const fields = text.split(' ');
    return fields.slice(0, chance.between(3, fields.length - 3)).join(' ');
  },
  traffic({ seed, count, timeOf }) {
    const chance = random(0, 0, 0);
    const habit = random(0, 0, 0);
    const twoOf = (choices: readonly Host[]): [Host, Host] => {
      const first = chance.below(choices.length);
      const second = (first + 1 + chance.below(choices.length - 1)) % choices.length;
      return [choices[first] ?? chance.pick(choices), choices[second] ?? chance.pick(choices)];
    };
    const fleets = { 'us-east-1': fleet('us-east-1', count * 0.75), 'eu-west-1': fleet('eu-west-1', count * 0.25) };

    const clientAddress = (): string => {
      const where = chance.below(10);
      if (where < 5) return `203.0.113.${1 + chance.below(60)}`;
      if (where < 8) return `198.51.100.${128 + chance.below(120)}`;
      return `2001:db8:c:${chance.below(0xffff).toString(16)}::${chance.between(1, 0xffff).toString(16)}`;
    };

    const pairOf = (pair: number): readonly [Flow, Flow] => {
      const start = Math.floor(timeOf(pair * 2) / 1000);
      chance.seed(seed, 31, pair);
      const { nodes, apps, balancers, nats, bastions, resolvers, databases, all } =
        fleets[chance.chance(0.75) ? regions[0] : regions[1]];
      const kind = chance.fraction();
      const end = start + chance.between(12, 59);
      const clientPort = 32_768 + ((pair * 7_919) % clientPorts);
      const size = 10 ** (2.5 + chance.fraction() * 3.2);
      const perPacket = chance.between(400, 1_300);
      const tcp = (
        host: Host,
        opener: Exchange['opener'],
        peer: string,
        serverPort: number,
        path: number,
        asked: number,
        answered: number,
        more?: { readonly service?: string; readonly behind?: string },
      ): readonly [Flow, Flow] =>
        flowsOf({
          host,
          opener,
          peer,
          start,
          end,
          clientPort,
          serverPort,
          protocol: 6,
          bytes: [Math.ceil(asked), Math.ceil(answered)],
          packets: [Math.ceil(asked / perPacket), Math.ceil(answered / perPacket)],
          path,
          service: more?.service,
          behind: more?.behind,
        });

      if (kind < 0.26) {
        const saas = chance.chance(0.08)
          ? `2001:db8:5a:${chance.below(16).toString(16)}::1`
          : `198.51.100.${20 + chance.below(16)}`;
        return tcp(chance.pick(chance.chance(0.6) ? nodes : apps), 'host', saas, 443, 8, size / 4, size);
      }
      if (kind < 0.38) {
        const bucket = `198.51.100.${40 + chance.below(4)}`;
        return tcp(chance.pick(nodes), 'host', bucket, 443, 7, size / 3, size * 2, { service: 'S3' });
      }
      if (kind < 0.52) {
        const [from, to] = twoOf(nodes);
        return tcp(from, 'host', to.address, chance.pick(clusterPorts), 1, size, size / 2);
      }
      if (kind < 0.61) return tcp(chance.pick(apps), 'host', chance.pick(databases).address, 5_432, 1, size / 10, size);
      if (kind < 0.72) {
        const packets = chance.between(1, 4);
        return flowsOf({
          host: chance.pick(chance.chance(0.7) ? nodes : apps),
          opener: 'host',
          peer: chance.pick(resolvers).address,
          start,
          end,
          clientPort,
          serverPort: 53,
          protocol: 17,
          bytes: [packets * chance.between(58, 90), packets * chance.between(90, 190)],
          packets: [packets, packets],
          path: 1,
        });
      }
      if (kind < 0.84) {
        const port = chance.chance(0.9) ? 443 : 80;
        return tcp(chance.pick(balancers), 'peer', clientAddress(), port, 8, size / 8, size);
      }
      if (kind < 0.88) return tcp(chance.pick(apps), 'peer', chance.pick(balancers).address, 8_080, 1, size / 8, size);
      if (kind < 0.92) {
        const behind = `198.51.100.${20 + chance.below(16)}`;
        const [asked, answered] = tcp(chance.pick(nats), 'peer', chance.pick(nodes).address, 443, 1, size / 4, size);
        return [
          { ...asked, packetDestination: behind },
          { ...answered, packetSource: behind },
        ];
      }
      if (kind < 0.935) {
        const to = nodes[chance.below(3)] ?? chance.pick(nodes);
        return tcp(to, 'peer', chance.pick(bastions).address, 22, 1, size / 20, size / 10);
      }
      if (kind < 0.955) {
        const packets = 1 + (pair % 60);
        const [from, to] = twoOf(all);
        return flowsOf({
          host: from,
          opener: 'host',
          peer: to.address,
          start,
          end,
          clientPort: 0,
          serverPort: 0,
          protocol: 1,
          bytes: [packets * 84, packets * 84],
          packets: [packets, packets],
          path: 1,
        });
      }
      if (kind < 0.99) {
        const scanner = chance.below(150);
        const port = habit.seed(seed, Math.floor(start / 3_600), scanner).pick(scannedPorts);
        const exposed = [...balancers, ...nats];
        const to = exposed[(habit.below(exposed.length) + chance.below(4)) % exposed.length] ?? chance.pick(exposed);
        const refused = (packets: number): Flow => ({
          host: to,
          start,
          end,
          source: `203.0.113.${100 + scanner}`,
          destination: to.address,
          sourcePort: clientPort,
          destinationPort: port,
          protocol: 6,
          packets,
          bytes: packets * 44,
          action: 'REJECT',
          flags: 2,
          direction: 'ingress',
        });
        return [refused(1), refused(chance.between(2, 4))];
      }
      const quiet = (turn: number): Flow => ({
        host: all[turn % all.length] ?? chance.pick(all),
        start,
        end: start + 60 + (Math.floor(turn / all.length) % 540),
        status: chance.chance(0.15) ? 'SKIPDATA' : 'NODATA',
      });
      return [quiet(pair * 2), quiet(pair * 2 + 1)];
    };

    let lastPair = -1;
    let flows: readonly [Flow, Flow] | undefined;
    return (index) => {
      const pair = Math.floor(index / 2);
      if (flows === undefined || pair !== lastPair) flows = pairOf(pair);
      lastPair = pair;
      const flow = flows[index % 2 === 0 ? 0 : 1];
      return { stream: flow.host.region, text: flowLine(flow) };
    };
  },
};
