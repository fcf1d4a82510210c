// Plain JavaScript on the compiled sources: a process that is killed a hundred times should not compile a hundred times.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

const { open } = await import(process.argv[2]);
// A thread of its own strikes even while this one waits for the database.
const killer = new Worker(
  `require('node:worker_threads').parentPort.on('message', (ms) => setTimeout(() => process.kill(process.pid, 'SIGKILL'), ms))`,
  { eval: true },
);
await once(killer, 'online');
killer.unref();

/** The part of a run that an event leads into. */
const phaseAfter = (event) => {
  if (event.kind === 'stage') return event.name.split(/[. ]/)[0];
  return event.kind === 'done' && event.result.name.startsWith('silver.') ? 'gold' : undefined;
};

process.once('message', async ({ manifest, batch, kill }) => {
  const lake = await open(manifest);
  const statements = {};
  let phase = 'opening';
  const execute = lake.engine.execute.bind(lake.engine);
  lake.engine.execute = (statement) => {
    if (statement.startsWith('UPDATE "pipeline"."runs"')) phase = 'closing';
    statements[phase] = (statements[phase] ?? 0) + 1;
    if (kill?.phase === phase && statements[phase] === kill.statement) killer.postMessage(kill.milliseconds);
    return execute(statement);
  };
  const { ok } = await lake.run({
    batch,
    onEvent: (event) => {
      phase = phaseAfter(event) ?? phase;
    },
  });
  if (kill?.phase === 'checkpoint') killer.postMessage(kill.milliseconds);
  await lake.close();
  process.send?.({ ok, statements }, () => process.exit(0));
});
process.send?.({ ready: true });
