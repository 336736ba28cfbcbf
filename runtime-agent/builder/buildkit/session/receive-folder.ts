import { rmSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { storageFull } from '../../../storage-full.ts';
import type { FileTree } from '../../context/file-tree.ts';
import type { ArchiveLimits } from '../../context/receive-archive.ts';
import type { ClientSession } from './client-session.ts';
import { diffCopy, type FolderQuery } from './diff-copy.ts';
import { readFileIndex } from './file-index.ts';
import { FolderReceiver } from './folder-receiver.ts';
import { FolderState } from './folder-state.ts';
import type { ClaimedCopy, ReceivedCopy, SyncedFolders } from './synced-folders.ts';
import { SyncedTree } from './synced-tree.ts';

/**
 * Copies a client's folder, as far as `query` selects it; only changes to an earlier copy are requested. `progress`
 * gets the bytes received. Throws as diffCopy() does, EngineError 'bad-request' beyond the limits, and 'storage-full'.
 */
export async function receiveFolder(
  folders: SyncedFolders,
  session: ClientSession,
  query: FolderQuery,
  limits: ArchiveLimits,
  progress: (bytes: number) => void,
  signal: AbortSignal,
): Promise<FileTree> {
  const copy = await folders.claim(session.headers.sharedKey, query);
  let received: ReceivedCopy | undefined;
  try {
    const before = copy.known ?? (await readState(copy));
    let changed = before.files.size === 0;
    const receiver = new FolderReceiver(copy.tree, before, limits, () => {
      changed = true;
      // A partially updated copy must not be taken for either state.
      rmSync(copy.index, { force: true });
    });
    try {
      await diffCopy(session, query, receiver, progress, signal);
      received = { state: receiver.finish(), changed };
    } finally {
      receiver.abandon();
    }
  } catch (error) {
    throw storageFull(error) ?? error;
  } finally {
    if (received === undefined) await copy.release();
  }
  return new SyncedTree(copy.tree, received.state, () => copy.release(received));
}

/** Reads the index of a copy by an earlier agent; without one the copy starts empty. */
async function readState(copy: ClaimedCopy): Promise<FolderState> {
  const files = await readFileIndex(copy.index);
  if (files !== undefined) return new FolderState(files);
  await rm(copy.tree, { recursive: true, force: true });
  await mkdir(copy.tree, { recursive: true });
  return new FolderState(new Map());
}
