import { isGlob } from '../../../lib/pattern/glob.ts';
import type { HttpExchange } from '../../../oci/distribution/http-exchange.ts';
import { fetchRemote, type RemoteSource } from '../context/fetch-remote.ts';
import type { FileTree } from '../context/file-tree.ts';
import type { GitFiles } from '../context/git/git-files.ts';
import { checkedCommit, type GitUrl, isGitSource, parseGitUrl } from '../context/git/git-url.ts';
import { byteText } from '../context/tree-paths.ts';
import { isArchive, type UnpackOptions, unpackArchive } from '../context/unpack-archive.ts';
import { fileModeChange } from '../frontend/file-mode-change.ts';
import type { CopyOp, Step } from '../solver/step.ts';
import { ownerOf } from './owner-of.ts';
import { CopyPlacement, type CopyRules } from './place-copy.ts';
import { copiedEntries, SourceError, selectSources } from './select-sources.ts';
import { type CopiedSource, sourceDigest } from './source-digest.ts';
import { located } from './step-error.ts';
import type { LayerEntry } from './write-layer.ts';

/** The resolved sources of a COPY. */
export interface FoundSources {
  readonly copied: readonly CopiedSource[];
  /** Archives to unpack. */
  readonly archives: readonly CopiedSource[];
  /** Files to fetch. */
  readonly remotes: readonly RemoteSource[];
  /** Digest of everything that would be written. */
  readonly digest: string;
  /** Paths that contain all sources, including possible ones; undefined means any path. */
  readonly within: readonly string[] | undefined;
}

/** The unpacked and downloaded sources of an ADD. */
export interface OpenedAdditions {
  readonly archives: readonly FileTree[];
  readonly remotes: readonly FileTree[];
  release(): Promise<void>;
}

/** Unpacks the archives of an ADD and fetches its remote files. Throws EngineError. */
export async function openAdditions(
  step: Step,
  found: FoundSources,
  { unpack: options, exchange }: { readonly unpack: UnpackOptions; readonly exchange: HttpExchange },
  signal: AbortSignal,
): Promise<OpenedAdditions> {
  const archives: FileTree[] = [];
  const remotes: FileTree[] = [];
  const release = async () => {
    for (const tree of [...archives, ...remotes]) await tree.release();
  };
  try {
    await located(step, async () => {
      for (const { source } of found.archives) {
        if (source.entry.kind === 'file')
          archives.push(await unpackArchive(source.tree, source.entry, options, signal));
      }
      for (const remote of found.remotes) {
        remotes.push(await fetchRemote(remote, exchange, options, signal));
      }
    });
    return { archives, remotes, release };
  } catch (error) {
    await release();
    throw error;
  }
}

/** Adds a whole archive, keeping its owners, or a downloaded file. */
async function addTree(
  placement: CopyPlacement,
  tree: FileTree,
  op: CopyOp,
  kind: 'file' | 'folder',
): Promise<void> {
  const pattern = kind === 'folder' ? '.' : '*';
  for (const source of await selectSources(tree, pattern, { parents: false, dropsOwners: false })) {
    await placement.add(source, copiedEntries(source, op.exclude));
  }
}

/** Finds the files of a COPY. Throws EngineError 'bad-request' that names the instruction. */
export async function findSources(
  step: Step,
  op: CopyOp,
  tree: FileTree | undefined,
  fetchGit: (url: GitUrl) => Promise<GitFiles>,
  signal: AbortSignal,
): Promise<FoundSources> {
  return await located(step, async () => {
    const copied: CopiedSource[] = [];
    refuseChecksum(op);
    const remotes = op.sources
      .filter((source) => isRemote(source) && !isGitSource(source))
      .map((url) => remoteSource(op, url));
    // The owners of context files are the client's and irrelevant; those of stages and images are kept.
    const dropsOwners = op.from.kind === 'context';
    for (const pattern of op.sources) {
      signal.throwIfAborted();
      if (isGitSource(pattern)) {
        const { tree: files, history } = await fetchGit(gitSource(op, pattern));
        for (const source of await selectSources(files, '.', { parents: false, dropsOwners: true })) {
          const entries = await Array.fromAsync(copiedEntries(source, op.exclude));
          copied.push({ source, entries, history });
        }
        continue;
      }
      if (isRemote(pattern)) continue;
      if (tree === undefined) throw new SourceError(`file not found: ${JSON.stringify(pattern)}`);
      for (const source of await selectSources(tree, pattern, { parents: op.parents, dropsOwners })) {
        copied.push({ source, entries: await Array.fromAsync(copiedEntries(source, op.exclude)) });
      }
    }
    if (copied.length + remotes.length + op.documents.length === 0) {
      throw new SourceError(`no source files were specified: nothing matches ${op.sources.join(', ')}`);
    }
    const archives = op.isAdd && op.unpack !== false ? await archivesOf(copied, signal) : [];
    const digest = await sourceDigest(copied, signal);
    const added =
      archives.length + remotes.length > 0
        ? `${digest} ${JSON.stringify([archives.map(({ source }) => source.name), remotes])}`
        : digest;
    return {
      copied: copied.filter((each) => !archives.includes(each)),
      archives,
      remotes,
      digest: added,
      within: placesOf(op, copied),
    };
  });
}

/**
 * Decides the content of a COPY's layer, over the current root file system (undefined for `--link`). Throws EngineError
 * 'bad-request' that names the instruction.
 */
export async function placeSources(
  step: Step,
  op: CopyOp,
  found: FoundSources,
  root: FileTree | undefined,
  opened: OpenedAdditions,
): Promise<Iterable<LayerEntry>> {
  return await located(step, async () => {
    const times = found.copied.flatMap(({ entries }) => entries.map(({ entry }) => entry.mtime));
    const rules: CopyRules = {
      destination: byteText(op.destination).replace(/^\/+/, ''),
      isFolder: op.destination.endsWith('/'),
      areSeveral: found.copied.length + opened.remotes.length + op.documents.length > 1,
      owner: op.chown === undefined ? undefined : await ownerOf(op.chown, root),
      mode: op.chmod === undefined ? undefined : fileModeChange(op.chmod),
      mtime: times.reduce((latest, time) => Math.max(latest, time), 0),
    };
    const placement = new CopyPlacement(root, rules);
    for (const { source, entries } of found.copied) await placement.add(source, asAsync(entries));
    for (const tree of opened.remotes) await addTree(placement, tree, op, 'file');
    if (opened.archives.length > 0) {
      const unpacked = new CopyPlacement(root, { ...rules, isFolder: true, keepsOwn: true });
      for (const tree of opened.archives) await addTree(unpacked, tree, op, 'folder');
      for (const entry of unpacked.entries) placement.put(entry);
    }
    for (const { name, content } of op.documents) await placement.addDocument(name, Buffer.from(content));
    return placement.entries;
  });
}

function placesOf({ sources }: CopyOp, copied: readonly CopiedSource[]): readonly string[] | undefined {
  const areNamed =
    !sources.some(isGlob) && copied.every(({ source: { path, entry } }) => path === entry.path);
  return areNamed ? copied.map(({ source }) => source.path) : undefined;
}

/** Reports whether an ADD names git repositories, which may change. */
export function isOfGit({ isAdd, sources }: CopyOp): boolean {
  return isAdd && sources.some(isGitSource);
}

function isRemote(source: string): boolean {
  return /^https?:\/\//i.test(source);
}

function remoteSource(op: CopyOp, url: string): RemoteSource {
  if (!op.isAdd) throw new SourceError(`source can't be a URL for COPY: ${url}`);
  if (op.checksum === undefined) {
    throw new SourceError(
      `a remote file needs a checksum, so that it is the same tomorrow: ADD --checksum=sha256:… ${url}`,
    );
  }
  if (!op.checksum.startsWith('sha256:')) {
    throw new SourceError(`the checksum of a remote file must be sha256: and 64 hexadecimal digits: ${url}`);
  }
  const name = fileNameOf(url);
  if (name === '' && op.destination.endsWith('/')) {
    throw new SourceError(
      `cannot determine filename for source: ${url}: write a destination that is not a folder`,
    );
  }
  return { url, name: name || 'file', checksum: op.checksum };
}

function fileNameOf(url: string): string {
  try {
    return decodeURIComponent(new URL(url).pathname.split('/').at(-1) ?? '');
  } catch (error) {
    throw new SourceError(`${url} is not the address of a file: ${(error as Error).message}`);
  }
}

async function archivesOf(
  copied: readonly CopiedSource[],
  signal: AbortSignal,
): Promise<readonly CopiedSource[]> {
  const found: CopiedSource[] = [];
  for (const each of copied) {
    const { tree, entry } = each.source;
    if (entry.kind === 'file' && (await isArchive(tree, entry, signal))) found.push(each);
  }
  return found;
}

async function* asAsync<T>(values: Iterable<T>): AsyncGenerator<T> {
  yield* values;
}

/** Returns the git repository of an ADD, with its flags. Throws SourceError, EngineError 'bad-request'. */
export function gitSource(op: CopyOp, text: string): GitUrl {
  if (!op.isAdd) throw new SourceError(`source can't be a git ref for COPY: ${text.slice(0, 200)}`);
  const url = parseGitUrl(text);
  const { keepGitDir } = op;
  const checksum = op.checksum === undefined ? undefined : checkedCommit(op.checksum);
  if (keepGitDir !== undefined && url.keepsHistory !== undefined && keepGitDir !== url.keepsHistory) {
    throw new SourceError('--keep-git-dir and the address of the git repository say different things');
  }
  if (checksum !== undefined && url.checksum !== undefined && checksum !== url.checksum) {
    throw new SourceError(
      `the checksums ${checksum} and ${url.checksum} of the git repository are not the same`,
    );
  }
  return {
    ...url,
    keepsHistory: keepGitDir ?? url.keepsHistory,
    checksum: checksum ?? url.checksum,
  };
}

/** Refuses a checksum for a source without one. Throws SourceError. */
export function refuseChecksum({ checksum, sources, documents }: CopyOp): void {
  if (checksum === undefined) return;
  if (sources.length + documents.length !== 1) {
    throw new SourceError("checksum can't be specified for multiple sources");
  }
  if (!sources.every((source) => isGitSource(source) || /^https?:\/\//i.test(source))) {
    throw new SourceError('checksum requires HTTP(S) or Git sources');
  }
}
