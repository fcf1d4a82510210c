import { type Lakehouse, type OpenOptions, open } from '../index.ts';

/** What every verb is told about the lakehouse. */
export interface LakehouseOptions {
  readonly manifest: string;
  readonly target?: string;
  readonly json?: boolean;
  /** Milliseconds to wait while another process holds the lakehouse. */
  readonly wait?: number;
}

/** Opens the lakehouse that a verb was told of. */
export const openFor = (
  { manifest, target, wait }: LakehouseOptions,
  more: Pick<OpenOptions, 'readOnly' | 'mustExist'> = {},
): Promise<Lakehouse> => open(manifest, { ...(target ? { target } : {}), ...(wait ? { wait } : {}), ...more });
