// Plain JavaScript on the compiled sources: a process that is killed a hundred times should not compile a hundred times.
const { open } = await import(process.argv[2]);
const say = (said) => process.send?.(said);

process.on('message', async ({ manifest, batch }) => {
  const lake = await open(manifest);
  say({ at: 'open' });
  const result = await lake.run({
    batch,
    onEvent: (event) => {
      if (event.kind === 'stage' || event.kind === 'progress') say({ at: event.name });
      if (event.kind === 'done') say({ at: `after ${event.result.name}` });
    },
  });
  say({ at: 'closing' });
  await lake.close();
  process.send?.({ done: result.ok }, () => process.exit(0));
});
say({ ready: true });
