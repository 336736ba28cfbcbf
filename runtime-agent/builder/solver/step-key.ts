import { createHash } from 'node:crypto';
import type { Digest } from '../../../oci/digest.ts';
import type { StepLimits } from '../builder.ts';
import type { CopyWork, FolderWork, RunWork } from './step.ts';

/** Changes when steps of older agents would not give the same layer any more. */
const VERSION = 1;

/** What stands below a step: the layers, lowest first. */
export type Chain = readonly Digest[];

/** What the whole build gives each RUN, and what a RUN can see of it. */
export interface RunSurroundings {
  readonly network: string;
  readonly extraHosts: readonly string[];
  readonly shmSize: number | undefined;
  readonly limits: StepLimits;
}

/**
 * The key of a RUN: what it does, on which files, and where. As with BuildKit the names of --add-host count and their addresses do not.
 * `inputs` are digests of what it mounts from elsewhere.
 */
export function runKey(
  chain: Chain,
  work: RunWork,
  inputs: readonly string[],
  latest: number | undefined,
  surroundings: RunSurroundings,
): string {
  const { args, env, cwd, user, script } = work;
  const mounts = work.mounts.map((mount) => ({ ...mount, from: undefined }));
  const network = work.network === 'default' ? surroundings.network : work.network;
  const { shmSize, limits } = surroundings;
  const hosts = surroundings.extraHosts.map((host) => host.split(':', 1)[0]);
  return key('run', {
    ...{ chain, args, env, cwd, user, network, script, mounts, inputs, latest },
    ...(work.security === 'sandbox' ? {} : { security: work.security }),
    ...(hosts.length === 0 ? {} : { hosts }),
    ...(limits.Ulimits === undefined ? {} : { ulimits: limits.Ulimits }),
    shmSize,
  });
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
  return key('folder', { chain, path: work.path, latest, user: work.user });
}

/** The key of a step that changes the configuration alone. */
export function configKey(chain: Chain, lineage: string): string {
  return key('config', { chain, lineage });
}

/** A digest of what instructions say: their text, which has their form, and their entry in the history, which has their values. */
export function lineageOf(said: object): string {
  return createHash('sha256').update(JSON.stringify(said)).digest('hex');
}

function key(kind: string, fields: object): string {
  return createHash('sha256')
    .update(JSON.stringify([VERSION, kind, fields]))
    .digest('hex');
}
