import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';

export interface TarOptions {
  /** GNU's own headers or POSIX pax ones (which alone carry xattrs); pax unless given. */
  readonly format?: 'gnu' | 'pax';
  /** Give every entry to root, for a tree that an ordinary user made; keep the owners unless given. */
  readonly ownedByRoot?: boolean;
}

/**
 * The entries of a folder as a tar by GNU tar, the same bytes each time: sorted names, one modification time
 * (1 January 2024), numeric owners, xattrs of every namespace. The stream fails when tar fails.
 */
export function tarTree(directory: string, options: TarOptions = {}): Readable {
  const format =
    options.format === 'gnu'
      ? ['--format=gnu']
      : [
          '--format=posix',
          '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime',
          '--xattrs',
          '--xattrs-include=*',
        ];
  const owners = options.ownedByRoot === true ? ['--owner=0', '--group=0'] : [];
  const args = [...format, ...owners, '--sort=name', '--numeric-owner', '--mtime=2024-01-01 00:00:00Z'];
  const tar = spawn('tar', ['-C', directory, ...args, '-cf', '-', '.'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let complaint = '';
  tar.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  tar.once('error', (error) => tar.stdout.destroy(error));
  tar.once('exit', (code) => {
    if (code !== 0)
      tar.stdout.destroy(new Error(`tar of ${directory} failed (${code}): ${complaint.trim()}`));
  });
  return tar.stdout;
}
