import { SingleBar } from 'cli-progress';
import type { RunEvent } from './run.ts';
import { printable } from './sink/printable.ts';

/** Shows what a run does on stderr: a bar on a terminal, a line for each finished stage elsewhere. */
export function progressOn(stream: NodeJS.WriteStream): { onEvent: (event: RunEvent) => void; close: () => void } {
  const bar = new SingleBar({
    stream,
    clearOnComplete: true,
    hideCursor: true,
    format: '{name} [{bar}] {value}/{total} {unit} | {duration_formatted}',
  });
  let shown: string | undefined;
  const close = (): void => {
    if (shown !== undefined) bar.stop();
    shown = undefined;
  };
  const onEvent = (event: RunEvent): void => {
    switch (event.kind) {
      case 'stage':
        close();
        if (stream.isTTY) {
          bar.start(event.total, 0, { name: event.name, unit: event.unit });
          shown = event.name;
        } else stream.write(`${event.name}: ${event.total} ${event.unit}\n`);
        return;
      case 'progress':
        if (shown === event.name) bar.update(event.done);
        return;
      case 'done':
        if (shown === event.result.name) close();
        if (!stream.isTTY && event.result.rows_in + event.result.rows_out > 0)
          stream.write(`${event.result.name}: ${event.result.rows_out} rows in ${event.result.seconds} s\n`);
        return;
      case 'warning':
        close();
        stream.write(`warning: ${printable(event.message)}\n`);
        return;
      default:
        return;
    }
  };
  return { onEvent, close };
}
