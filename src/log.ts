import { pino } from 'pino';
import type { RunEvent } from './journal.ts';
import { version } from './version.ts';

/** Writes what a run does as one JSON object a line: time in ISO 8601, level, what happened, and its figures. */
export function logOn(stream: NodeJS.WriteStream): { onEvent: (event: RunEvent) => void; close: () => void } {
  const logger = pino(
    {
      base: { name: 'ocsf-medallion', version, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
    },
    stream,
  );
  const onEvent = (event: RunEvent): void => {
    switch (event.kind) {
      case 'begin':
        logger.info({ run_id: event.run_id }, 'run begins');
        return;
      case 'stage':
        logger.info({ stage: event.name, total: event.total, unit: event.unit }, 'stage begins');
        return;
      case 'progress':
        logger.debug({ stage: event.name, done: event.done }, 'progress');
        return;
      case 'done': {
        const { name, error, ...figures } = event.result;
        if (error === undefined) logger.info({ stage: name, ...figures }, 'stage done');
        else logger.error({ stage: name, ...figures, error }, 'stage failed');
        return;
      }
      case 'warning':
        logger.warn({ warning: event.message }, 'warning');
        return;
      case 'end': {
        const { run_id, ok, files, alerts } = event.result;
        logger[ok ? 'info' : 'error']({ run_id, ok, files, alerts }, ok ? 'run done' : 'run failed');
      }
    }
  };
  return { onEvent, close: () => undefined };
}
