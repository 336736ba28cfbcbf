import { createHash } from 'node:crypto';
import type { Digest } from '../../../storage/oci/digest.ts';
import type { CopyWork, FolderWork, RunWork } from './step.ts';

/** Changes when steps of older agents would not give the same layer any more. */
const VERSION = 1;

/** What stands below a step: the layers, lowest first. */
export type Chain = readonly Digest[];

/** The key of a RUN: what it does, on which files. `inputs` are digests of what it mounts from elsewhere. */
export function runKey(
  chain: Chain,
  work: RunWork,
  inputs: readonly string[],
  latest: number | undefined,
): string {
  const { args, env, cwd, user, network, script } = work;
  const mounts = work.mounts.map((mount) => ({ ...mount, from: undefined }));
  return key('run', { chain, args, env, cwd, user, network, script, mounts, inputs, latest });
}

/** The key of a COPY whose files have this digest. `--link` looks at nothing that is below it. */
export function copyKey(chain: Chain, work: CopyWork, content: string, latest: number | undefined): string {
  const { isAdd, destination, chown, chmod, link, parents, documents, unpack } = work;
  return key('copy', {
    chain: link ? [] : chain,
    content,
    isAdd,
    destination,
    chown,
    chmod,
    link,
    parents,
    documents,
    unpack,
    latest,
  });
}

/** A key that is known before the files of another stage are looked at: those layers decide on them. */
export function copyShortcut(chain: Chain, work: CopyWork, from: Chain, latest: number | undefined): string {
  const { sources, exclude } = work;
  return key('shortcut', { from, sources, exclude, copy: copyKey(chain, work, '', latest) });
}

export function folderKey(chain: Chain, work: FolderWork, latest: number | undefined): string {
  return key('folder', { chain, path: work.path, latest });
}

function key(kind: string, fields: object): string {
  return createHash('sha256')
    .update(JSON.stringify([VERSION, kind, fields]))
    .digest('hex');
}
