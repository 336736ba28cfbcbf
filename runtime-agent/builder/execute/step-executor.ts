import type { Digest } from '../../../oci/digest.ts';
import type { FileTree } from '../context/file-tree.ts';
import { byteText, resolveInTree, shownPath } from '../context/tree-paths.ts';
import { dockerfileError } from '../frontend/dockerfile-text.ts';
import type { Source } from '../solver/stage-sources.ts';
import type { CopyOp, FolderOp, RunOp, Step, StepOp } from '../solver/step.ts';
import { configKey, copyKey, copyShortcut, folderKey, type LayerChain, runKey } from '../solver/step-key.ts';
import type { BuildScope, SharedParts } from './build-scope.ts';
import { type BuildSources, randomId } from './build-sources.ts';
import { type FoundSources, findSources, isOfGit, openAdditions, placeSources } from './copy-step.ts';
import { type OpenedFolder, openMounts } from './open-mounts.ts';
import { ownerOrRoot } from './owner-of.ts';
import { CopyPlacement, type CopyRules } from './place-copy.ts';
import { runStep } from './run-step.ts';
import { copiedEntries, selectSources } from './select-sources.ts';
import { sourceDigest } from './source-digest.ts';
import { located } from './step-error.ts';
import { type Keys, type StepEvents, StepOnce, type StepOutcome } from './step-once.ts';
import { type LayerEntry, writeLayer } from './write-layer.ts';

/** Executes single steps, or finds their cached results. */
export class StepExecutor {
  readonly #parts: SharedParts;
  readonly #scope: BuildScope;
  readonly #steps: StepOnce;

  constructor(parts: SharedParts, scope: BuildScope) {
    this.#parts = parts;
    this.#scope = scope;
    this.#steps = new StepOnce(parts, scope);
  }

  async execute(
    step: Step,
    op: StepOp,
    chain: LayerChain,
    reuses: boolean,
    events: StepEvents,
  ): Promise<StepOutcome> {
    switch (op.kind) {
      case 'run':
        return await this.#run(step, op, chain, reuses, events);
      case 'copy':
        return await this.#copy(step, op, chain, reuses, events);
      case 'folder':
        return await this.#folder(step, op, chain, reuses, events);
    }
  }

  /**
   * Runs a step that changes only the configuration. Returns whether an earlier build has done the same on the same
   * files.
   */
  async configure({ lineage }: Step, chain: LayerChain): Promise<boolean> {
    return await this.#steps.configure(configKey(chain, lineage));
  }

  /** Resolves when all work that this build has started has ended. */
  async settle(): Promise<void> {
    await this.#steps.settle();
  }

  async #run(
    step: Step,
    op: RunOp,
    chain: LayerChain,
    reuses: boolean,
    events: StepEvents,
  ): Promise<StepOutcome> {
    const { request, settings, sources } = this.#scope;
    const inputs: string[] = [];
    for (const mount of op.mounts) {
      if (mount.type === 'bind') inputs.push(await this.#inputDigest(step, mount.from, mount.source));
      else if (mount.type === 'cache' && mount.from !== undefined) {
        inputs.push(await this.#inputDigest(step, mount.from, mount.source));
      }
    }
    const latest = request.sourceDateEpoch;
    const key = runKey(chain, op, inputs, latest, settings);
    const id = randomId();
    const named = { ...events, started: () => events.started(id) };
    return await this.#steps.once(step, [key], reuses, named, async (signal, output) => {
      let diffId: Digest | undefined;
      await this.#scope.shared.bring(chain);
      await runStep(this.#parts.run, {
        id,
        step,
        op,
        chain,
        settings,
        mounts: (rootfs) =>
          openMounts(
            {
              libc: this.#parts.run.host.libc,
              trees: this.#parts.run.tars,
              partsDirectory: this.#parts.run.paths.parts,
              cacheMounts: this.#parts.cacheMounts,
              secretsDirectory: this.#parts.secretsDirectory,
              source: request.source,
              openFolder: (source) => this.#openFolder(source, sources),
            },
            { step, op, rootfs: rootfs.path, signal },
          ),
        output,
        keep: async (tar) => {
          diffId = await this.#steps.keep(tar, signal);
        },
        latest,
        signal,
      });
      return diffId;
    });
  }

  async #copy(
    step: Step,
    op: CopyOp,
    chain: LayerChain,
    reuses: boolean,
    events: StepEvents,
  ): Promise<StepOutcome> {
    const { request, signal } = this.#scope;
    const latest = request.sourceDateEpoch;
    const from =
      op.from.kind === 'stage' || op.from.kind === 'image' ? await this.#scope.chainOf(op.from) : undefined;
    const shortcut = from === undefined ? [] : [copyShortcut(chain, op, from, latest)];
    const known = reuses && shortcut.length > 0 ? await this.#steps.known(shortcut) : undefined;
    if (known !== undefined) {
      this.#steps.record(step, shortcut, known);
      events.cached();
      return known;
    }
    const tree = await this.#tree(op.from);
    let finding: Promise<FoundSources> | undefined;
    const find = () => {
      finding ??= findSources(step, op, tree, (url) => this.#scope.sources.repository(url), signal);
      return finding;
    };
    const keys: Keys = [copyKey(chain, op, await digestOf(op, tree, find), latest), ...shortcut];
    return await this.#steps.once(step, keys, reuses, events, async (running) => {
      const found = await find();
      const root = op.link && !needsAccounts(op) ? undefined : await this.#scope.sources.layers(chain);
      const opened = await openAdditions(step, found, this.#parts, running);
      try {
        const entries = await placeSources(step, op, found, root, opened);
        return await this.#steps.keep(
          writeLayer(entries, latest ?? Number.POSITIVE_INFINITY, running),
          running,
        );
      } finally {
        await opened.release();
      }
    });
  }

  async #folder(
    step: Step,
    op: FolderOp,
    chain: LayerChain,
    reuses: boolean,
    events: StepEvents,
  ): Promise<StepOutcome> {
    return await this.#steps.once(
      step,
      [folderKey(chain, op, this.#scope.request.sourceDateEpoch)],
      reuses,
      events,
      async (signal) => {
        const root = await this.#scope.sources.layers(chain);
        const resolved = await resolveInTree(root, byteText(op.path));
        if (resolved?.entry?.kind === 'folder') return undefined;
        if (resolved === undefined || resolved.entry !== undefined) {
          throw dockerfileError(step.at, `WORKDIR: ${shownPath(op.path)} is not a directory`);
        }
        const owner = op.user === undefined ? undefined : await ownerOrRoot(op.user, root);
        const entries = await folderEntries(root, resolved.path, owner);
        return await this.#steps.keep(writeLayer(entries, Number.POSITIVE_INFINITY, signal), signal);
      },
    );
  }

  async #tree(source: Source): Promise<FileTree | undefined> {
    const { sources, chainOf } = this.#scope;
    if (source.kind === 'context') return await sources.context(source.name);
    if (source.kind === 'scratch') return undefined;
    return await sources.layers(await chainOf(source));
  }

  async #openFolder(source: Source, sources: BuildSources): Promise<OpenedFolder> {
    if (source.kind === 'context') return await sources.openContext(source.name);
    return await sources.openLayers(source.kind === 'scratch' ? [] : await this.#scope.chainOf(source));
  }

  /** Returns a digest of the files that a step mounts: the content for contexts, the layers for stages and images. */
  async #inputDigest(step: Step, source: Source, path: string): Promise<string> {
    const { signal, sources, chainOf } = this.#scope;
    if (source.kind === 'scratch') return 'scratch';
    if (source.kind !== 'context') return `${path} of ${(await chainOf(source)).join()}`;
    const tree = await sources.context(source.name);
    return await located(step, async () => {
      const copied = [];
      for (const selected of await selectSources(tree, path, { parents: false, dropsOwners: true })) {
        copied.push({ source: selected, entries: await Array.fromAsync(copiedEntries(selected, [])) });
      }
      return await sourceDigest(copied, signal);
    });
  }
}

/** Returns the digest of a COPY; it is reused if the files are unchanged. */
async function digestOf(
  op: CopyOp,
  tree: FileTree | undefined,
  find: () => Promise<FoundSources>,
): Promise<string> {
  const { sources, documents, exclude, parents, isAdd, unpack, checksum } = op;
  // All inputs of the search, and of whether the copy is possible.
  const shape = [documents.length > 0, op.destination.endsWith('/')];
  const question = JSON.stringify(['copy', sources, exclude, parents, isAdd, unpack, checksum, shape]);
  const notes = isOfGit(op) ? undefined : tree?.notes;
  const known = notes?.find(question);
  if (known !== undefined) return known;
  const { digest, within } = await find();
  notes?.note(question, { digest, within });
  return digest;
}

function needsAccounts({ chown }: CopyOp): boolean {
  return chown !== undefined && !/^\d+(?::\d+)?$/.test(chown);
}

async function folderEntries(
  root: FileTree,
  path: string,
  owner: CopyRules['owner'],
): Promise<Iterable<LayerEntry>> {
  const placement = new CopyPlacement(root, {
    destination: path,
    isFolder: true,
    owner,
    mode: undefined,
    mtime: 0,
  });
  await placement.makeFolders(path);
  return placement.entries;
}
