import { resolveUser } from '../../containers/plan/user.ts';
import { EngineError } from '../../errors.ts';
import type { FileTree } from '../context/file-tree.ts';
import { byteText, resolveInTree } from '../context/tree-paths.ts';
import { dockerfileError } from '../frontend/dockerfile-text.ts';
import { PathPatternError } from '../frontend/path-pattern.ts';
import type { CopyWork, Step } from '../solver/step.ts';
import type { LayerEntry } from './layer-entry.ts';
import { CopyPlacement, type CopyRules } from './place-copy.ts';
import { copiedEntries, SourceError, selectSources } from './select-sources.ts';
import { type CopiedSource, sourceDigest } from './source-digest.ts';

/** What a COPY copies, found. */
export interface FoundSources {
  readonly copied: readonly CopiedSource[];
  /** Of all that would be written. */
  readonly digest: string;
}

const MAX_ACCOUNTS = 4 << 20;

/** Finds the files of a COPY. Throws EngineError 'bad-request' that names the instruction. */
export async function findSources(
  step: Step,
  work: CopyWork,
  tree: FileTree | undefined,
  signal: AbortSignal,
): Promise<FoundSources> {
  return await located(step, work, async () => {
    const copied: CopiedSource[] = [];
    for (const pattern of work.sources) {
      signal.throwIfAborted();
      if (tree === undefined) throw new SourceError(`file not found: ${JSON.stringify(pattern)}`);
      for (const source of await selectSources(tree, pattern, { parents: work.parents })) {
        const entries = [];
        for await (const entry of copiedEntries(source, work.exclude)) entries.push(entry);
        copied.push({ source, entries });
      }
    }
    if (copied.length === 0 && work.documents.length === 0) {
      throw new SourceError(`no source files were specified: nothing matches ${work.sources.join(', ')}`);
    }
    const isFolder = work.destination.endsWith('/');
    if (copied.length > 1 && !isFolder) {
      throw new SourceError(
        'when using COPY with more than one source file, the destination must be a directory and end with a /',
      );
    }
    return { copied, digest: await sourceDigest(copied, { dropsOwners: dropsOwners(work) }, signal) };
  });
}

/**
 * Decides what the layer of a COPY holds, over the root file system so far (undefined for `--link`). Throws EngineError
 * 'bad-request' that names the instruction.
 */
export async function placeSources(
  step: Step,
  work: CopyWork,
  found: FoundSources,
  root: FileTree | undefined,
): Promise<Iterable<LayerEntry>> {
  return await located(step, work, async () => {
    const times = found.copied.flatMap(({ entries }) => entries.map(({ entry }) => entry.mtime));
    const rules: CopyRules = {
      destination: byteText(work.destination).replace(/^\/+/, ''),
      isFolder: work.destination.endsWith('/'),
      owner: work.chown === undefined ? undefined : await ownerOf(work.chown, root),
      mode: work.chmod === undefined ? undefined : Number.parseInt(work.chmod, 8),
      dropsOwners: dropsOwners(work),
      mtime: times.reduce((latest, time) => Math.max(latest, time), 0),
    };
    const placement = new CopyPlacement(root, rules);
    for (const { source, entries } of found.copied) await placement.add(source, asAsync(entries));
    for (const { name, content } of work.documents) await placement.addDocument(name, Buffer.from(content));
    return placement.entries;
  });
}

/** Files of a context are the client's, who has no say in the owners; those of stages and images keep them. */
function dropsOwners(work: CopyWork): boolean {
  return work.from.kind === 'context';
}

/** A number alone is the group too; a name has its own group (reference, "COPY --chown"). */
async function ownerOf(
  chown: string,
  root: FileTree | undefined,
): Promise<{ readonly uid: number; readonly gid: number }> {
  if (/^\d+$/.test(chown)) return { uid: Number(chown), gid: Number(chown) };
  const [, uid, gid] = /^(\d+):(\d+)$/.exec(chown) ?? [];
  if (uid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  const { uid: owner, gid: group } = resolveUser(chown, [], {
    passwd: await textIn(root, 'etc/passwd'),
    group: await textIn(root, 'etc/group'),
  });
  return { uid: owner, gid: group };
}

async function textIn(root: FileTree | undefined, path: string): Promise<string> {
  if (root === undefined) return '';
  const { entry } = (await resolveInTree(root, path)) ?? {};
  if (entry?.kind !== 'file' || entry.size > MAX_ACCOUNTS) return '';
  const chunks: Uint8Array[] = [];
  for await (const chunk of root.read(entry)) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

async function* asAsync<T>(values: Iterable<T>): AsyncGenerator<T> {
  yield* values;
}

async function located<T>(step: Step, work: CopyWork, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    const isTold =
      error instanceof SourceError || error instanceof PathPatternError || error instanceof EngineError;
    if (!isTold) throw error;
    const keyword = work.isAdd ? 'ADD' : 'COPY';
    const where =
      work.from.kind === 'context' &&
      error instanceof SourceError &&
      error.message.startsWith('file not found')
        ? ' in build context or excluded by .dockerignore'
        : '';
    const message =
      where === '' ? error.message : error.message.replace('file not found', `file not found${where}`);
    throw dockerfileError(step.at, `${keyword} failed: ${message}`, { cause: error });
  }
}
