import type { GitUrl } from './git-url.ts';
import { GitError, type GitPlace, gitOutput } from './run-git.ts';

/** A commit that was fetched into the repository, without its history if the server allows that. */
export interface FetchedCommit {
  readonly commit: string;
  /** `refs/heads/main`, the same name here; undefined if no ref was named. */
  readonly name: string | undefined;
}

const WHOLE_COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
const SHORT_COMMIT = /^[0-9a-f]{7,63}$/;
/** Errors of servers without shallow fetches, such as dumb HTTP servers. */
const NO_SHALLOW = /shallow|--depth/;
const PATIENCE = ['-c', 'http.lowSpeedLimit=100', '-c', 'http.lowSpeedTime=60'];

/** Creates a repository and fetches the wanted commit. `init` are further arguments of `git init`. Throws GitError. */
export async function fetchCommit(
  place: GitPlace,
  url: GitUrl,
  init: readonly string[],
  signal: AbortSignal,
): Promise<FetchedCommit> {
  const run = (...args: readonly string[]) => gitOutput(place, args, signal);
  const ref = await meant(place, url, signal);
  const format = (ref?.object ?? url.ref)?.length === 64 ? ['--object-format=sha256'] : [];
  await run('-c', 'init.defaultBranch=master', 'init', '--quiet', ...format, ...init);
  await run('remote', 'add', 'origin', url.remote);
  const fetch = (...args: readonly string[]) => run(...PATIENCE, 'fetch', '--quiet', ...args);
  const object = await fetched(fetch, run, url, ref);
  const commit = await run('rev-parse', '--verify', '--quiet', `${object}^{commit}`);
  refuseOther(url, [object, commit]);
  return { commit, name: ref?.name };
}

/** Returns undefined for an abbreviated commit, which servers do not know. */
async function meant(place: GitPlace, url: GitUrl, signal: AbortSignal): Promise<RemoteRef | undefined> {
  const { remote, ref } = url;
  if (ref !== undefined && WHOLE_COMMIT.test(ref)) return { name: undefined, object: ref };
  const listed = await gitOutput(
    place,
    [...PATIENCE, 'ls-remote', '--symref', '--', remote, ref ?? 'HEAD'],
    signal,
  );
  const found = meantRef(listed, ref);
  if (found === undefined && (ref === undefined || !SHORT_COMMIT.test(ref))) {
    throw new GitError(
      ref === undefined ? 'it has no branch checked out' : `it has no branch and no tag ${ref}`,
    );
  }
  return found;
}

/** Returns the object: a commit, or an annotated tag. */
async function fetched(
  fetch: (...args: readonly string[]) => Promise<string>,
  run: (...args: readonly string[]) => Promise<string>,
  url: GitUrl,
  ref: RemoteRef | undefined,
): Promise<string> {
  if (ref === undefined) {
    await fetch('--', 'origin', '+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*');
    try {
      return await run('rev-parse', '--verify', '--quiet', `${url.ref}^{commit}`);
    } catch (cause) {
      throw new GitError(`it has no branch, no tag and no commit ${url.ref}`, { cause });
    }
  }
  const { name, object } = ref;
  const what = name === undefined ? object : `+${name}:${name}`;
  try {
    await fetch('--update-head-ok', '--no-tags', '--depth=1', '--', 'origin', what);
  } catch (error) {
    if (!(error instanceof GitError)) throw error;
    if (NO_SHALLOW.test(error.message)) {
      await fetch('--update-head-ok', '--no-tags', '--', 'origin', what);
    } else if (name === undefined) {
      // Not every server allows fetching single commits.
      await fetch('--', 'origin', '+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*');
      await run('cat-file', '-e', `${object}^{commit}`).catch((cause: unknown) => {
        throw cause instanceof GitError ? error : cause;
      });
      return object;
    } else throw error;
  }
  return await run('rev-parse', '--verify', '--quiet', 'FETCH_HEAD');
}

function refuseOther({ checksum }: GitUrl, [object, commit]: readonly [string, string]): void {
  if (checksum === undefined || object.startsWith(checksum) || commit.startsWith(checksum)) return;
  const found = object === commit ? commit : `${object} or ${commit}`;
  throw new GitError(`expected checksum to match ${checksum}, got ${found}`);
}

/** A ref of a repository and its object. */
interface RemoteRef {
  /** `refs/heads/main`; undefined if it is a commit that no ref names. */
  readonly name: string | undefined;
  /** The commit, or an annotated tag. */
  readonly object: string;
}

/**
 * Returns the wanted ref in the output of `git ls-remote`: the branch if a branch and a tag have the same name, as git
 * itself checks out. Without `ref` the default branch.
 */
export function meantRef(listed: string, ref: string | undefined): RemoteRef | undefined {
  const objects = new Map<string, string>();
  let head: string | undefined;
  for (const line of listed.split('\n')) {
    const [object = '', name = ''] = line.split('\t');
    const [, symbolic] = /^ref: (\S+)$/.exec(object) ?? [];
    if (symbolic !== undefined && name === 'HEAD') head = symbolic;
    else if (/^[0-9a-f]{40,64}$/.test(object)) objects.set(name, object);
  }
  if (ref === undefined || ref === 'HEAD') {
    const object = objects.get('HEAD');
    return object === undefined ? undefined : { name: head, object };
  }
  const name = [`refs/${ref.replace(/^refs\//, '')}`, `refs/heads/${ref}`, `refs/tags/${ref}`].find((each) =>
    objects.has(each),
  );
  const object = name === undefined ? undefined : objects.get(name);
  return name === undefined || object === undefined ? undefined : { name, object };
}
