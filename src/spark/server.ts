import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync } from 'node:fs';
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { openSpark } from '../engine/spark.ts';
import { EngineError, UserError } from '../errors.ts';
import { checkJava, deltaPackage, installSpark, keytool } from './install.ts';

/** How a server is started. */
export interface ServerOptions {
  /** Where the software is kept. */
  readonly folder: string;
  /** Where the catalog, the tables and the log are kept. */
  readonly data: string;
  /** A free port where it is left out. */
  readonly port?: number;
  /** What Spark may keep in memory, e.g. '2g'. */
  readonly memory?: string;
  /** How many cores it uses; all where it is left out. */
  readonly threads?: number;
  readonly log: (text: string) => void;
}

/** A running Spark. */
export interface SparkServer {
  /** The manifest's `engine`. */
  readonly engine: {
    readonly type: 'spark';
    readonly host: string;
    readonly port: number;
    readonly path: string;
    readonly ca: string;
  };
  readonly logFile: string;
  /** Resolves when Spark has ended, by itself or stopped. */
  readonly ended: Promise<void>;
  /** The end of its log. */
  lastWords(): Promise<string>;
  stop(): Promise<void>;
}

const HOST = 'localhost';
const LOOPBACK = '127.0.0.1';
const PATH = '/cliservice';
const START_MS = 5 * 60_000;
const STOP_MS = 20_000;

const freePort = (wanted: number): Promise<number> =>
  new Promise((found, reject) => {
    const server = createServer();
    server.on('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE' ? new UserError(`Port ${wanted} is in use: name another with --port.`) : error,
      ),
    );
    server.listen(wanted, LOOPBACK, () => {
      const address = server.address();
      server.close(() => found(typeof address === 'object' && address ? address.port : wanted));
    });
  });

/** A new key and certificate for localhost; gives the key store's password and the certificate's path. */
async function certify(folder: string): Promise<{ store: string; password: string; ca: string }> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const store = join(folder, 'server.p12');
  const ca = join(folder, 'ca.pem');
  const password = randomBytes(16).toString('hex');
  const tool = (args: readonly string[]) =>
    promisify(execFile)(
      keytool(),
      [...args, '-alias', 'spark', '-keystore', store, '-storetype', 'PKCS12', '-storepass:env', 'STORE'],
      {
        env: { ...process.env, STORE: password },
      },
    );
  await tool([
    '-genkeypair',
    '-keyalg',
    'RSA',
    '-keysize',
    '2048',
    '-validity',
    '825',
    '-dname',
    `CN=${HOST}`,
    '-ext',
    `san=dns:${HOST},ip:${LOOPBACK}`,
  ]);
  await tool(['-exportcert', '-rfc', '-file', ca]);
  return { store, password, ca };
}

const LOGGING = `rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n%ex{short}
`;

/** Spark's settings; the key store's password stands in this file only, which no one else can read. */
function settings(options: ServerOptions, port: number, tls: { store: string; password: string }): string {
  const server = 'spark.hadoop.hive.server2';
  const all: Record<string, string> = {
    'spark.master': `local[${options.threads ?? '*'}]`,
    'spark.driver.memory': options.memory ?? '2g',
    // Statements are many and their plans large: most of the memory is garbage soon, and each plan brings code of its own.
    'spark.driver.extraJavaOptions': '-XX:+UseParallelGC -XX:ReservedCodeCacheSize=512m',
    'spark.sql.maxPlanStringLength': '20000',
    'spark.sql.codegen.cache.maxEntries': '1000',
    'spark.jars.packages': deltaPackage,
    // Spark has both; where a local Maven folder holds their POMs without the JARs, Ivy would give up.
    'spark.jars.excludes': 'org.slf4j:slf4j-api,org.xerial.snappy:snappy-java',
    'spark.jars.ivy': join(options.folder, 'ivy'),
    'spark.ui.enabled': 'false',
    'spark.ui.showConsoleProgress': 'false',
    // Records come in statements of megabytes, of which Spark would keep the last hundreds with their plans.
    'spark.sql.thriftserver.ui.retainedStatements': '10',
    'spark.sql.ui.retainedExecutions': '10',
    'spark.driver.bindAddress': LOOPBACK,
    'spark.driver.host': LOOPBACK,
    'spark.sql.extensions': 'io.delta.sql.DeltaSparkSessionExtension',
    'spark.sql.catalog.spark_catalog': 'org.apache.spark.sql.delta.catalog.DeltaCatalog',
    'spark.sql.catalogImplementation': 'hive',
    'spark.sql.session.timeZone': 'UTC',
    'spark.sql.ansi.enabled': 'true',
    'spark.sql.shuffle.partitions': '4',
    'spark.databricks.delta.snapshotPartitions': '1',
    [`${server}.transport.mode`]: 'http',
    [`${server}.thrift.bind.host`]: LOOPBACK,
    [`${server}.thrift.http.port`]: String(port),
    [`${server}.thrift.http.path`]: PATH.slice(1),
    [`${server}.authentication`]: 'NOSASL',
    [`${server}.use.SSL`]: 'true',
    [`${server}.keystore.path`]: tls.store,
    [`${server}.keystore.password`]: tls.password,
  };
  return Object.entries(all)
    .map(([key, value]) => `${key} ${value}\n`)
    .join('');
}

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

/** One server works on a catalog at a time: says so by its process id, before Derby would in words of its own. */
async function claim(data: string): Promise<() => Promise<void>> {
  const file = join(data, 'server.pid');
  const pid = Number(await readFile(file, 'utf8').catch(() => ''));
  if (pid > 0 && pid !== process.pid && alive(pid))
    throw new UserError(`Spark runs on ${data} already, started by process ${pid}: stop that one first (Ctrl-C).`);
  await writeFile(file, String(process.pid));
  return () => rm(file, { force: true });
}

// Spark goes when its standard input ends: also when whoever started it was killed.
const KEEPER = `exec 3<&0
"$@" </dev/null 3<&- &
spark=$!
(cat <&3 >/dev/null; kill "$spark" 2>/dev/null) &
exec 3<&-
wait "$spark"`;

const answers = (port: number): Promise<boolean> =>
  new Promise((answer) => {
    const socket = connect(port, LOOPBACK);
    socket.on('connect', () => {
      socket.destroy();
      answer(true);
    });
    socket.on('error', () => answer(false));
  });

const tailOf = async (file: string): Promise<string> =>
  (await readFile(file, 'utf8').catch(() => '')).trimEnd().split('\n').slice(-20).join('\n');

async function ready(child: ChildProcess, engine: SparkServer['engine'], logFile: string): Promise<void> {
  const until = Date.now() + START_MS;
  const check = (): void => {
    if (child.exitCode === null && child.signalCode === null) return;
    throw new EngineError('Spark ended before it was ready');
  };
  try {
    while (!(await answers(engine.port))) {
      check();
      if (Date.now() > until) throw new EngineError(`Spark was not ready after ${START_MS / 1000} seconds`);
      await pause(250);
    }
    await using session = await openSpark(engine);
    await session.execute('SHOW SCHEMAS');
    check();
  } catch (error) {
    throw new UserError(
      `${error instanceof Error ? error.message : error}. The end of ${logFile}:\n${await tailOf(logFile)}`,
    );
  }
}

/** Installs what is missing, starts Spark with Delta and its Thrift server, and resolves when a session has answered. */
export async function startServer(given: ServerOptions): Promise<SparkServer> {
  const options = { ...given, folder: resolve(given.folder), data: resolve(given.data) };
  const { data, log } = options;
  if (process.platform === 'win32')
    throw new UserError('Spark is started here on Linux and macOS only; on Windows use WSL.');
  await checkJava();
  const home = await installSpark(options.folder, log);
  const port = await freePort(options.port ?? 0);
  await mkdir(data, { recursive: true });
  const release = await claim(data);
  const tls = await certify(join(data, 'tls'));
  const conf = join(data, 'conf');
  await mkdir(conf, { recursive: true, mode: 0o700 });
  const defaults = await open(join(conf, 'spark-defaults.conf'), 'w', 0o600);
  await defaults.writeFile(settings(options, port, tls));
  await defaults.close();
  await writeFile(join(conf, 'log4j2.properties'), LOGGING);
  const logFile = join(data, 'spark.log');
  const out = openSync(logFile, 'w');
  if (!existsSync(join(options.folder, 'ivy', 'jars'))) log(`Fetching Delta (${deltaPackage}): 84 MB, once.\n`);
  log(`Starting Spark on port ${port}; its log is ${logFile}.\n`);
  const submit = [
    join(home, 'bin', 'spark-submit'),
    '--class',
    'org.apache.spark.sql.hive.thriftserver.HiveThriftServer2',
    'spark-internal',
  ];
  // The catalog and Derby's log come to lie in the working folder.
  const child = spawn('sh', ['-c', KEEPER, 'sh', ...submit], {
    cwd: data,
    env: { ...process.env, SPARK_HOME: home, SPARK_CONF_DIR: conf, SPARK_LOCAL_IP: LOOPBACK },
    stdio: ['pipe', out, out],
    detached: true,
  });
  closeSync(out);
  const ended = new Promise<void>((done) => {
    child.on('close', () => done());
    child.on('error', () => done());
  }).then(release);
  const group = (signal: NodeJS.Signals): void => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, signal);
    } catch {
      // It has ended.
    }
  };
  const stop = async (): Promise<void> => {
    group('SIGTERM');
    const late = setTimeout(() => group('SIGKILL'), STOP_MS);
    await ended;
    clearTimeout(late);
  };
  const engine = { type: 'spark', host: HOST, port, path: PATH, ca: tls.ca } as const;
  try {
    await ready(child, engine, logFile);
  } catch (error) {
    await stop();
    throw error;
  }
  return { engine, logFile, ended, lastWords: () => tailOf(logFile), stop };
}
