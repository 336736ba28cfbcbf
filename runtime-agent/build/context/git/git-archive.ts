import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '../../../errors.ts';
import { storageFull } from '../../../snapshots/storage-full.ts';
import type { UnpackOptions } from '../unpack-archive.ts';
import type { GitUrl } from './git-url.ts';
import { GitError, type GitPlace, gitOutput, runGit } from './run-git.ts';

/** Milliseconds that a fetch may take. */
const TIMEOUT = 600_000;
const COMMIT = /^[0-9a-f]{7,64}$/;

/**
 * The files of a git repository as a tar, fetched by the git of this host, without the history where the server allows that. All is as old as the
 * commit, so that the same commit gives the same layers. Throws EngineError 'bad-request' in git's words.
 */
export async function* gitArchive(
  url: GitUrl,
  { directory, limits }: UnpackOptions,
  abort: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const signal = AbortSignal.any([abort, AbortSignal.timeout(TIMEOUT)]);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const folder = await mkdtemp(join(directory, 'git-'));
  const place: GitPlace = { folder, limit: limits.size };
  try {
    await gitOutput(place, ['init', '--quiet', '--bare', '--template=', '.'], signal);
    // Files are as in a clone, whatever the repository leaves out of its releases.
    await mkdir(join(folder, 'info'), { recursive: true });
    await writeFile(join(folder, 'info', 'attributes'), '* -export-ignore -export-subst\n');
    const commit = await fetched(place, url, signal);
    await refuseSubmodules(place, commit, signal);
    const time = await gitOutput(place, ['show', '--no-patch', '--format=%ct', commit], signal);
    const tree = url.folder === '' ? commit : `${commit}:${url.folder}`;
    yield* runGit(
      place,
      ['-c', 'tar.umask=0022', 'archive', '--format=tar', `--mtime=@${time}`, tree],
      signal,
    );
  } catch (error) {
    abort.throwIfAborted();
    if (!(error instanceof GitError) && error !== signal.reason) throw storageFull(error) ?? error;
    const words = error instanceof Error ? error.message : String(error);
    throw new EngineError('bad-request', `the git repository ${url.remote} cannot be fetched: ${words}`, {
      cause: error,
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The commit that is meant, here with its files. */
async function fetched(
  place: GitPlace,
  { remote, ref = 'HEAD' }: GitUrl,
  signal: AbortSignal,
): Promise<string> {
  const fetch = (...args: readonly string[]) =>
    gitOutput(
      place,
      [
        '-c',
        'http.lowSpeedLimit=100',
        '-c',
        'http.lowSpeedTime=60',
        'fetch',
        '--quiet',
        '--no-tags',
        ...args,
      ],
      signal,
    );
  const commitOf = (name: string) =>
    gitOutput(place, ['rev-parse', '--verify', '--quiet', `${name}^{commit}`], signal);
  try {
    await fetch('--depth=1', '--', remote, ref);
    return await commitOf('FETCH_HEAD');
  } catch (error) {
    // Not every server gives out single commits, and none knows a short one.
    if (!(error instanceof GitError) || !COMMIT.test(ref)) throw error;
    await fetch('--', remote, '+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*');
    try {
      return await commitOf(ref);
    } catch {
      signal.throwIfAborted();
      throw error;
    }
  }
}

async function refuseSubmodules(place: GitPlace, commit: string, signal: AbortSignal): Promise<void> {
  const modules = await gitOutput(place, ['ls-tree', '--name-only', commit, '--', '.gitmodules'], signal);
  if (modules === '') return;
  throw new EngineError(
    'bad-request',
    'the git repository has submodules, which this agent does not fetch: build in a clone of it',
  );
}
