import { lstat, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTree } from '../../../../lib/linux/files/remove-tree.ts';
import { EngineError } from '../../../errors.ts';
import { storageFull } from '../../../storage-full.ts';
import type { FileTree } from '../file-tree.ts';
import { FolderTree } from '../folder-tree.ts';
import type { UnpackOptions } from '../unpack-archive.ts';
import { type FetchedCommit, fetchCommit } from './fetch-commit.ts';
import { type GitClient, gitAccess } from './git-access.ts';
import type { GitUrl } from './git-url.ts';
import { GitError, type GitPlace, gitOutput, runGit } from './run-git.ts';
import { refuseLargeCommit, settleFiles } from './settle-files.ts';
import { whileWithin } from './watch-size.ts';

/** Maximum depth of nested submodules. */
const MAX_DEPTH = 20;
/** Maximum milliseconds of a fetch. */
const TIMEOUT = 600_000;

/** The files of a repository; its caller releases the tree. */
export interface GitFiles {
  readonly tree: FileTree;
  /** Identifies the content of `.git`, whose bytes differ each time; undefined without it. */
  readonly history: string | undefined;
}

/**
 * Fetches the files of a git repository with this host's git, including submodules, without the history if the server
 * allows that. All files have the commit's time. Throws EngineError: 'bad-request' with git's message, 'storage-full'.
 */
export async function gitFiles(
  url: GitUrl,
  client: GitClient,
  { directory, limits }: UnpackOptions,
  abort: AbortSignal,
): Promise<GitFiles> {
  const signal = AbortSignal.any([abort, AbortSignal.timeout(TIMEOUT)]);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const folder = await mkdtemp(join(directory, 'git-'));
  const release = () => removeTree(folder);
  try {
    const access = await gitAccess(url, client, folder, signal);
    try {
      const files = join(folder, 'files');
      await mkdir(files, { mode: 0o755 });
      // A subfolder has no history.
      const keepsHistory = url.keepsHistory === true && url.folder === '';
      const separate = keepsHistory ? {} : { GIT_DIR: join(folder, 'git'), GIT_WORK_TREE: files };
      const place: GitPlace = { folder, files, limit: limits.size, env: { ...access.env, ...separate } };
      const { commit, name } = await whileWithin(folder, limits, signal, (watched) =>
        checkedOut(place, url, keepsHistory, limits, watched),
      );
      const root = await folderOf(files, url.folder);
      const history = keepsHistory ? `${url.shown} ${name ?? ''} ${commit}` : undefined;
      return { tree: new FolderTree(root, release), history };
    } finally {
      await access.release();
    }
  } catch (error) {
    await release();
    abort.throwIfAborted();
    if (!(error instanceof GitError) && error !== signal.reason) throw storageFull(error) ?? error;
    const said = error instanceof Error ? error.message : String(error);
    const words = said.replaceAll(url.remote, url.shown);
    throw new EngineError('bad-request', `the git repository ${url.shown} cannot be fetched: ${words}`, {
      cause: error,
    });
  }
}

async function checkedOut(
  place: GitPlace,
  url: GitUrl,
  keepsHistory: boolean,
  limits: UnpackOptions['limits'],
  signal: AbortSignal,
): Promise<FetchedCommit> {
  const run = (...args: readonly string[]) => gitOutput(place, args, signal);
  const fetched = await fetchCommit(place, url, keepsHistory ? [] : ['--template='], signal);
  const { commit } = fetched;
  await refuseLargeCommit(place, commit, limits, signal);
  await run('checkout', '--quiet', '--detach', commit);
  const hasModules = url.takesSubmodules && (await takeSubmodules(place, '', signal));
  const time = Number(await run('show', '--no-patch', '--format=%ct', commit));
  if (keepsHistory) await tidyHistory(place, url, hasModules, signal);
  await settleFiles(place.files, { time, limits, keepsHistory }, signal);
  return fetched;
}

/**
 * Checks out the submodules of a folder, recursively, each before the next is fetched: git itself would fetch all
 * first, and run several processes per level concurrently. Returns whether there are any. Throws GitError.
 */
async function takeSubmodules(
  place: GitPlace,
  folder: string,
  signal: AbortSignal,
  depth = 1,
): Promise<boolean> {
  const { GIT_DIR: _, GIT_WORK_TREE: __, ...env } = place.env;
  const files = await folderOf(place.files, folder);
  const here = folder === '' ? place : { ...place, files, env };
  const run = (...args: readonly string[]) => gitOutput(here, args, signal);
  if ((await run('ls-tree', '--name-only', 'HEAD', '--', '.gitmodules')) === '') return false;
  if (depth > MAX_DEPTH) throw new GitError(`it has submodules within submodules, deeper than ${MAX_DEPTH}`);
  for (const name of await submodulesOf(here, signal)) {
    await run('submodule', '--quiet', 'update', '--init', '--depth=1', '--', `:(literal)${name}`);
    // Without it git would take the repository above.
    const isHere = (await lstat(join(files, name, '.git')).catch(() => undefined)) !== undefined;
    if (isHere) await takeSubmodules(place, folder === '' ? name : `${folder}/${name}`, signal, depth + 1);
  }
  return true;
}

/** Returns the paths of submodule commits. */
async function submodulesOf(place: GitPlace, signal: AbortSignal): Promise<readonly string[]> {
  const paths: string[] = [];
  let rest = '';
  for await (const chunk of runGit(place, ['ls-tree', '-r', '-z', 'HEAD'], signal)) {
    const entries = (rest + chunk.toString('latin1')).split('\0');
    rest = entries.pop() ?? '';
    for (const entry of entries) {
      if (!entry.startsWith('160000 ')) continue;
      paths.push(Buffer.from(entry.slice(entry.indexOf('\t') + 1), 'latin1').toString('utf8'));
    }
  }
  return paths;
}

/** Removes everything from `.git` that depends on this host or the time. */
async function tidyHistory(
  place: GitPlace,
  { remote, shown }: GitUrl,
  hasModules: boolean,
  signal: AbortSignal,
): Promise<void> {
  const run = (...args: readonly string[]) => gitOutput(place, args, signal);
  // An index without the times and numbers of the files, which git looks up when it needs them.
  await run('read-tree', 'HEAD');
  if (hasModules) await run('submodule', '--quiet', 'foreach', '--recursive', 'git read-tree HEAD');
  if (remote !== shown) await run('remote', 'set-url', 'origin', shown);
  for (const name of ['FETCH_HEAD', 'logs']) {
    await rm(join(place.files, '.git', name), { recursive: true, force: true });
  }
}

/** Returns a folder of the checkout, if no link leads to it. */
async function folderOf(files: string, folder: string): Promise<string> {
  let path = files;
  for (const name of folder === '' ? [] : folder.split('/')) {
    path = join(path, name);
    const stat = await lstat(path).catch(() => undefined);
    if (stat?.isDirectory() !== true) throw new GitError(`it has no folder ${folder}`);
  }
  return path;
}
