import { copyFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { longerWait } from './longest-wait.ts';
import { runCommand } from './run-command.ts';

/** Paths that Debian's slim images leave out. */
const LEFT_OUT = [
  'usr/share/doc',
  'usr/share/man',
  'usr/share/locale',
  'usr/share/info',
  'var/cache/apt',
  'var/lib/apt/lists',
];

/**
 * Makes the tree of the image debian:trixie-slim in `directory`, by debootstrap(8) from Debian's packages, and ca-certificates. It
 * trusts the authorities of this machine. Needs root and a mirror of Debian.
 */
export async function makeDebianSlim(directory: string): Promise<void> {
  await debootstrap(directory).catch(async (error: unknown) => {
    if (!/Couldn't download/.test(String(error))) throw error;
    await rm(directory, { recursive: true, force: true });
    await debootstrap(directory);
  });
  for (const path of LEFT_OUT) await rm(join(directory, path), { recursive: true, force: true });
  const authorities = 'etc/ssl/certs/ca-certificates.crt';
  await copyFile(join('/', authorities), join(directory, authorities));
}

/** A mirror that does not answer for a moment ends it: it asks for each package only a few times. */
async function debootstrap(directory: string): Promise<void> {
  await runCommand(
    'debootstrap',
    ['--variant=minbase', '--include=ca-certificates', 'trixie', directory, 'http://deb.debian.org/debian'],
    { timeoutMs: longerWait(1_800_000, 'debootstrap fetches and installs a whole Debian') },
  );
}
