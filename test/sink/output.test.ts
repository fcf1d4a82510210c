import { execFile, spawn } from 'node:child_process';
import { chmod, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { promisify } from 'node:util';
import { Utf8 } from 'apache-arrow';
import { describe, expect, test } from 'vitest';
import { streamOutput } from '../../src/sink/output.ts';
import { fileOutput, formats, writeRows } from '../../src/sink/sink.ts';
import { batchOf, columnOf, folder, memory, stream } from './given.ts';

const batch = batchOf({ v: columnOf(new Utf8(), ['a', 'b', 'c']) });

describe('a file', () => {
  test('appears when it is complete and not before', async () => {
    const place = await folder();
    const path = join(place, 'rows.txt');
    await writeFile(path, 'old');
    await chmod(path, 0o640);
    const output = await fileOutput(path);
    await output.write('new ');
    await output.write(Buffer.from('text'));
    expect(await readFile(path, 'utf8')).toBe('old');
    await output.close();
    expect(await readFile(path, 'utf8')).toBe('new text');
    expect((await stat(path)).mode & 0o777).toBe(0o640);
    expect(await readdir(place)).toEqual(['rows.txt']);
  });

  test('that is given up leaves nothing', async () => {
    const place = await folder();
    const output = await fileOutput(join(place, 'rows.txt'));
    await output.write('half');
    await output.abort?.();
    await output.abort?.();
    expect(await readdir(place)).toEqual([]);
  });

  test('behind a link is replaced and the link stays', async () => {
    const place = await folder();
    await writeFile(join(place, 'real.txt'), 'old');
    await symlink('real.txt', join(place, 'link.txt'));
    const output = await fileOutput(join(place, 'link.txt'));
    await output.write('new');
    await output.close();
    expect(await readFile(join(place, 'real.txt'), 'utf8')).toBe('new');
    expect((await readdir(place)).sort()).toEqual(['link.txt', 'real.txt']);
  });

  test('that is a device or a pipe is written in place', async () => {
    const place = await folder();
    const pipe = join(place, 'pipe');
    await promisify(execFile)('mkfifo', [pipe]);
    const [text] = await Promise.all([
      readFile(pipe, 'utf8'),
      fileOutput(pipe).then((output) => writeRows(stream(batch), 'csv', output)),
    ]);
    expect(text).toBe('v\r\na\r\nb\r\nc\r\n');
    expect((await stat(pipe)).isFIFO()).toBe(true);
    await writeRows(stream(batch), 'ndjson', await fileOutput('/dev/null'));
    expect((await stat('/dev/null')).isCharacterDevice()).toBe(true);
  });

  test('in a missing folder, or one that is a folder, is refused by its name', async () => {
    const place = await folder();
    await expect(fileOutput(join(place, 'missing', 'rows.txt'))).rejects.toThrow(`no folder ${join(place, 'missing')}`);
    await expect(fileOutput(place)).rejects.toThrow(`${place} is a folder`);
  });
});

describe.each(formats)('%s', (format) => {
  test('from a source that fails leaves no file', async () => {
    const place = await folder();
    const failing = async function* () {
      yield batch;
      throw new Error('the warehouse went away');
    };
    const output = await fileOutput(join(place, 'rows.out'));
    await expect(writeRows(failing(), format, output)).rejects.toThrow('the warehouse went away');
    expect(await readdir(place)).toEqual([]);
  });

  test('that cannot be written ends the source and tells why', async () => {
    let ended = false;
    const source = async function* () {
      try {
        for (let i = 0; i < 3; i++) yield batch;
      } finally {
        ended = true;
      }
    };
    const full = { ...memory(), write: () => Promise.reject(new Error('no space left')) };
    await expect(writeRows(source(), format, full)).rejects.toThrow('no space left');
    expect(ended).toBe(true);
    expect(full.calls).toEqual(['abort']);
  });

  test('has at most as many rows as asked for, and asks the source for no more', async () => {
    let given = 0;
    const source = async function* () {
      for (; given < 10; given++) yield batch;
    };
    const output = memory();
    expect(await writeRows(source(), format, output, { maxRows: 5 })).toEqual({ rows: 5 });
    expect(given).toBeLessThanOrEqual(2);
    expect(output.calls).toEqual(['close']);
  });
});

describe('a reader that goes away', () => {
  test('ends the rows quietly', async () => {
    let given = 0;
    const source = async function* () {
      for (; given < 99; given++) yield batch;
    };
    let asked = 0;
    const broken = new Writable({
      write(_chunk, _encoding, done) {
        asked++;
        done(given < 5 ? null : Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
      },
    });
    const output = streamOutput(broken);
    await writeRows(source(), 'ndjson', output);
    await output.write('more');
    expect(output.ended).toBe(true);
    expect([given, asked]).toEqual([5, 6]);
  });

  test('such as head does not crash the process', async () => {
    const script = `
      import { columnOf, batchOf } from './test/sink/given.ts';
      import { Utf8 } from 'apache-arrow';
      import { stdoutOutput, writeRows } from './src/sink/sink.ts';
      const batch = batchOf({ v: columnOf(new Utf8(), Array.from({ length: 5000 }, (_, i) => 'row ' + i)) });
      async function* long() { for (let i = 0; i < 999; i++) { yield batch; await new Promise(setImmediate); } }
      for (const format of ['ndjson', 'csv', 'arrow']) await writeRows(long(), format, stdoutOutput());
      console.error('done');`;
    const node = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const errors: string[] = [];
    node.stderr.on('data', (chunk) => errors.push(String(chunk)));
    node.stdout.once('data', () => node.stdout.destroy());
    const code = await new Promise((resolve) => node.on('close', resolve));
    expect({ code, errors: errors.join('') }).toEqual({ code: 0, errors: 'done\n' });
  });

  test('is the only failure that is quiet', async () => {
    const output = streamOutput(
      new Writable({ write: (_chunk, _encoding, done) => done(Object.assign(new Error('full'), { code: 'ENOSPC' })) }),
    );
    await expect(writeRows(stream(batch), 'ndjson', output)).rejects.toThrow('full');
  });
});

test('a slow reader holds the source back', async () => {
  const slow = new PassThrough({ highWaterMark: 1 });
  const output = streamOutput(slow);
  let given = 0;
  const source = async function* () {
    for (; given < 20; given++) yield batch;
  };
  const done = writeRows(source(), 'ndjson', output);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(given).toBeLessThan(4);
  slow.resume();
  expect(await done).toEqual({ rows: 60 });
});
