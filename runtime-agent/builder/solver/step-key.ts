import { createHash } from 'node:crypto';
import type { Digest } from '../../../oci/digest.ts';
import type { StepLimits } from '../builder.ts';
import type { CopyOp, FolderOp, RunOp } from './step.ts';

/** Incremented when steps of older agents would no longer give the same layer. */
const VERSION = 1;

/** The layers below a step, lowest first. */
export type LayerChain = readonly Digest[];

/** The settings of the build that each RUN can observe. */
export interface RunSurroundings {
  readonly network: string;
  readonly extraHosts: readonly string[];
  readonly shmSize: number | undefined;
  readonly limits: StepLimits;
}

/**
 * Returns the key of a RUN: its command, files and environment. As in BuildKit the names of --add-host count and their
 * addresses do not. `inputs` are digests of mounted sources.
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

/** Returns the key of a COPY whose files have this digest. `--link` ignores the layers below. */
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

/** Returns a key that is known before the files of another stage are read: its layers determine them. */
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

/**
 * Returns a digest of instructions: their text, which has their form, and their history entries, which have their
 * values.
 */
export function lineageOf(said: object): string {
  return createHash('sha256').update(JSON.stringify(said)).digest('hex');
}

function key(kind: string, fields: object): string {
  return createHash('sha256')
    .update(JSON.stringify([VERSION, kind, fields]))
    .digest('hex');
}
