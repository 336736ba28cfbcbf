import { ArchiveTree } from '../archive-tree.ts';
import type { FileTree } from '../file-tree.ts';
import { openSpool } from '../open-spool.ts';
import { receiveArchive } from '../receive-archive.ts';
import type { UnpackOptions } from '../unpack-archive.ts';
import { gitArchive } from './git-archive.ts';
import { parseGitUrl } from './git-url.ts';

/** The files of a git repository that an ADD names, without its history; its caller releases it. Throws EngineError 'bad-request'. */
export async function gitTree(url: string, options: UnpackOptions, signal: AbortSignal): Promise<FileTree> {
  const tar = gitArchive(parseGitUrl(url), options, signal);
  const spool = await openSpool(options.directory);
  try {
    return new ArchiveTree(await receiveArchive(tar, spool, options.limits, signal), spool);
  } catch (error) {
    await spool.close();
    throw error;
  }
}
