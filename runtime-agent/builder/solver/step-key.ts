import { createHash } from 'node:crypto';
import type { Digest } from '../../../oci/digest.ts';
import type { StepLimits } from '../builder.ts';
import type { CopyOp, FolderOp, RunOp } from './step.ts';

/** Changes when steps of older agents would not give the same layer any more. */
const VERSION = 1;

/** What stands below a step: the layers, lowest first. */
export type LayerChain = readonly Digest[];

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
  chain: LayerChain,
  op: RunOp,
  inputs: readonly string[],
  latest: number | undefined,
  surroundings: RunSurroundings,
): string {
  const { args, env, cwd, user, script } = op;
  const mounts = op.mounts.map((mount) => ({ ...mount, from: undefined }));
  const network = op.network === 'default' ? surroundings.network : op.network;
  const { shmSize, limits } = surroundings;
  const hosts = surroundings.extraHosts.map((host) => host.split(':', 1)[0]);
  return key('run', {
    ...{ chain, args, env, cwd, user, network, script, mounts, inputs, latest },
    ...(op.security === 'sandbox' ? {} : { security: op.security }),
    ...(hosts.length === 0 ? {} : { hosts }),
    ...(limits.Ulimits === undefined ? {} : { ulimits: limits.Ulimits }),
    shmSize,
  });
}

/** The key of a COPY whose files have this digest. `--link` looks at nothing that is below it. */
export function copyKey(chain: LayerChain, op: CopyOp, content: string, latest: number | undefined): string {
  const { isAdd, destination, chown, chmod, link, parents, documents, unpack } = op;
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
export function copyShortcut(
  chain: LayerChain,
  op: CopyOp,
  from: LayerChain,
  latest: number | undefined,
): string {
  const { sources, exclude } = op;
  return key('shortcut', { from, sources, exclude, copy: copyKey(chain, op, '', latest) });
}

export function folderKey(chain: LayerChain, op: FolderOp, latest: number | undefined): string {
  return key('folder', { chain, path: op.path, latest, user: op.user });
}

/** The key of a step that changes the configuration alone. */
export function configKey(chain: LayerChain, lineage: string): string {
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
