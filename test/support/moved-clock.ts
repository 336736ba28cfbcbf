import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CleanupScope } from './cleanup.ts';
import { makeTempDir } from './temp-dir.ts';

/** The wall clock of programs that are started with `env`; their monotonic clock is that of the machine. */
export interface MovedClock {
  readonly env: Readonly<Record<string, string>>;
  /** Moves it from the time of the machine by so many seconds, back by fewer than 0; programs see it within a second. */
  move(seconds: number): Promise<void>;
}

/** Makes a clock that runs as that of the machine until it is moved. */
export async function makeMovedClock(scope: CleanupScope): Promise<MovedClock> {
  const folder = await makeTempDir(scope, 'clock');
  const file = join(folder, 'offset');
  const move = async (seconds: number) => {
    await writeFile(`${file}.new`, `${seconds < 0 ? '' : '+'}${seconds}\n`);
    await rename(`${file}.new`, file);
  };
  await move(0);
  const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  return {
    env: {
      LD_PRELOAD: `/usr/lib/${machine}-linux-gnu/faketime/libfaketimeMT.so.1`,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      FAKETIME_CACHE_DURATION: '1',
    },
    move,
  };
}
