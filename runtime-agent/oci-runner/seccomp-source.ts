import { readFile } from 'node:fs/promises';
import type { SeccompSource } from './seccomp-types.ts';

const PATH = '/usr/share/containers/seccomp.json';

/** The distribution's seccomp rules. Throws an Error that names the package when they are not installed. */
export async function readSeccompSource(path = PATH): Promise<SeccompSource> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new Error(
      `${path} is missing, without which containers would run unconfined: install the package golang-github-containers-common`,
    );
  }
  const source = JSON.parse(text) as SeccompSource;
  if (!Array.isArray(source.syscalls) || !Array.isArray(source.archMap)) {
    throw new Error(`${path} is no seccomp profile: reinstall the package golang-github-containers-common`);
  }
  return source;
}
