import { randomUUID } from 'node:crypto';
import type { Digest } from '../../../storage/oci/digest.ts';
import type { SharedWork } from '../../images/shared-work.ts';
import type { BuildRequest } from '../builder.ts';
import type { CacheMounts } from '../cache/cache-mounts.ts';
import type { StepCache } from '../cache/step-cache.ts';
import type { FileTree } from '../context/file-tree.ts';
import { byteText, resolveInTree, shownPath } from '../context/tree-paths.ts';
import type { UnpackOptions } from '../context/unpack-archive.ts';
import { dockerfileError } from '../frontend/dockerfile-text.ts';
import type { Source } from '../solver/stage-sources.ts';
import type { CopyWork, FolderWork, RunWork, Step, Work } from '../solver/step.ts';
import { type Chain, copyKey, copyShortcut, folderKey, runKey } from '../solver/step-key.ts';
import { type BuildSources, randomId } from './build-sources.ts';
import { findSources, openAdditions, placeSources } from './copy-step.ts';
import type { HeldLayers } from './held-layers.ts';
import type { LayerEntry } from './layer-entry.ts';
import { type OpenedFolder, openMounts } from './open-mounts.ts';
import { CopyPlacement } from './place-copy.ts';
import type { RunContext } from './run-context.ts';
import type { StepOutput } from './run-process.ts';
import { runStep } from './run-step.ts';
import { copiedEntries, selectSources } from './select-sources.ts';
import type { SharedCaches } from './shared-caches.ts';
import { sourceDigest } from './source-digest.ts';
import { writeLayer } from './write-layer.ts';

/** What a step has come to. */
export interface StepOutcome {
  /** Undefined: it changed no file. */
  readonly diffId: Digest | undefined;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** What builds share: the same step of two builds runs once. */
export interface SharedParts {
  readonly run: RunContext;
  readonly cache: StepCache;
  readonly cacheMounts: CacheMounts;
  readonly secretsDirectory: string;
  readonly unpack: UnpackOptions;
  readonly running: SharedWork<string, StepOutputPart>;
}

export interface StepOutputPart {
  readonly stream: 'stdout' | 'stderr';
  readonly data: Uint8Array;
}

/** One build, as its steps see it. */
export interface BuildScope {
  readonly request: BuildRequest;
  readonly held: HeldLayers;
  readonly sources: BuildSources;
  readonly shared: SharedCaches;
  /** The layers of a stage or an image, when they are there. */
  readonly chainOf: (source: Extract<Source, { readonly kind: 'stage' | 'image' }>) => Promise<Chain>;
  readonly signal: AbortSignal;
}

export interface StepEvents {
  cached(): void;
  started(): void;
  output: StepOutput;
}

/** Of one step; the first is its own, the others are shorter ways to it. */
type Keys = readonly [string, ...string[]];

type Make = (signal: AbortSignal, output: StepOutput) => Promise<Digest | undefined>;

/** Executes single steps, or finds what they came to before. */
export class StepExecutor {
  readonly #parts: SharedParts;
  readonly #scope: BuildScope;
  /** What this build has begun, which reads its context although others may wait for it. */
  readonly #begun = new Set<Promise<unknown>>();
  readonly #used = new Set<string>();

  constructor(parts: SharedParts, scope: BuildScope) {
    this.#parts = parts;
    this.#scope = scope;
  }

  async execute(
    step: Step,
    work: Work,
    chain: Chain,
    reuses: boolean,
    events: StepEvents,
  ): Promise<StepOutcome> {
    switch (work.kind) {
      case 'run':
        return await this.#run(step, work, chain, reuses, events);
      case 'copy':
        return await this.#copy(step, work, chain, reuses, events);
      case 'folder':
        return await this.#folder(step, work, chain, reuses, events);
    }
  }

  /** Resolves when nothing that this build has begun runs any more, and its use of earlier steps is noted. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#begun);
    await this.#parts.cache.touch([...this.#used]);
  }

  async #run(
    step: Step,
    work: RunWork,
    chain: Chain,
    reuses: boolean,
    events: StepEvents,
  ): Promise<StepOutcome> {
    const { request, sources } = this.#scope;
    const inputs: string[] = [];
    for (const mount of work.mounts) {
      if (mount.type === 'bind') inputs.push(await this.#inputDigest(mount.from, mount.source));
      else if (mount.type === 'cache' && mount.from !== undefined) {
        inputs.push(await this.#inputDigest(mount.from, mount.source));
      }
    }
    const latest = request.sourceDateEpoch;
    const key = runKey(chain, work, inputs, latest);
    return await this.#once(step, [key], reuses, events, async (signal, output) => {
      let diffId: Digest | undefined;
      await runStep(this.#parts.run, {
        id: randomId(),
        step,
        work,
        chain,
        settings: {
          network: request.network,
          extraHosts: request.extraHosts,
          shmSize: request.shmSize,
          limits: request.limits ?? {},
        },
        mounts: (rootfs) =>
          openMounts(
            {
              cacheMounts: this.#parts.cacheMounts,
              secretsDirectory: this.#parts.secretsDirectory,
              source: request.source,
              openFolder: (source) => this.#openFolder(source, sources),
            },
            { step, work, rootfs: rootfs.path, signal },
          ),
        output,
        keep: async (tar) => {
          diffId = await this.#keep(tar, signal);
        },
        latest,
        signal,
      });
      return diffId;
    });
  }

  async #copy(
    step: Step,
    work: CopyWork,
    chain: Chain,
    reuses: boolean,
    events: StepEvents,
  ): Promise<StepOutcome> {
    const { request, signal } = this.#scope;
    const latest = request.sourceDateEpoch;
    const from =
      work.from.kind === 'stage' || work.from.kind === 'image'
        ? await this.#scope.chainOf(work.from)
        : undefined;
    const shortcut = from === undefined ? [] : [copyShortcut(chain, work, from, latest)];
    const known = reuses && shortcut.length > 0 ? await this.#known(shortcut) : undefined;
    if (known !== undefined) {
      this.#record(step, shortcut, known);
      events.cached();
      return known;
    }
    const found = await findSources(step, work, await this.#tree(work.from), signal);
    const keys: Keys = [copyKey(chain, work, found.digest, latest), ...shortcut];
    return await this.#once(step, keys, reuses, events, async (running) => {
      const root = work.link && !needsAccounts(work) ? undefined : await this.#scope.sources.layers(chain);
      const opened = await openAdditions(step, work, found, this.#parts.unpack, running);
      try {
        const entries = await placeSources(step, work, found, root, opened);
        return await this.#keep(writeLayer(entries, latest ?? Number.POSITIVE_INFINITY, running), running);
      } finally {
        await opened.release();
      }
    });
  }

  async #folder(
    step: Step,
    work: FolderWork,
    chain: Chain,
    reuses: boolean,
    events: StepEvents,
  ): Promise<StepOutcome> {
    return await this.#once(
      step,
      [folderKey(chain, work, this.#scope.request.sourceDateEpoch)],
      reuses,
      events,
      async (signal) => {
        const root = await this.#scope.sources.layers(chain);
        const resolved = await resolveInTree(root, byteText(work.path));
        if (resolved?.entry?.kind === 'folder') return undefined;
        if (resolved === undefined || resolved.entry !== undefined) {
          throw dockerfileError(step.at, `WORKDIR: ${shownPath(work.path)} is not a directory`);
        }
        const entries = await folderEntries(root, resolved.path);
        return await this.#keep(writeLayer(entries, Number.POSITIVE_INFINITY, signal), signal);
      },
    );
  }

  /** Finds the step under the first of its keys that is known, or makes it, together with who wants the same at this moment. */
  async #once(step: Step, keys: Keys, reuses: boolean, events: StepEvents, make: Make): Promise<StepOutcome> {
    const { running } = this.#parts;
    const { signal } = this.#scope;
    const known = reuses ? await this.#known(keys) : undefined;
    if (known !== undefined) {
      this.#record(step, keys, known);
      events.cached();
      return known;
    }
    events.started();
    const [key] = keys;
    const report = ({ stream, data }: StepOutputPart) => events.output(stream, data);
    const began: Begun = { outcome: undefined };
    await running.join(reuses ? key : randomUUID(), signal, report, (workSignal, share) => {
      const work = this.#make(step, keys, make, workSignal, (stream, data) => share({ stream, data })).then(
        (outcome) => {
          began.outcome = outcome;
        },
      );
      this.#begun.add(work);
      const done = () => this.#begun.delete(work);
      work.then(done, done);
      return work;
    });
    const outcome = began.outcome ?? (await this.#find([key]));
    if (outcome === undefined) throw new Error(`what the step "${step.text}" came to was removed at once`);
    if (outcome.diffId !== undefined) await this.#scope.held.take(outcome.diffId);
    this.#record(step, keys, outcome);
    return outcome;
  }

  async #make(
    step: Step,
    keys: Keys,
    make: Make,
    signal: AbortSignal,
    output: StepOutput,
  ): Promise<StepOutcome> {
    const { cache, run } = this.#parts;
    const diffId = await make(signal, output);
    const size = diffId === undefined ? 0 : await run.snapshotter.layerSize(diffId);
    const createdAt =
      this.#scope.request.sourceDateEpoch === undefined
        ? Date.now()
        : this.#scope.request.sourceDateEpoch * 1000;
    await cache.put(keys, { diffId, description: step.text, size, createdAt });
    return { diffId, createdAt };
  }

  /** What was built before, here or on a host whose cache this build uses. */
  async #known(keys: readonly string[]): Promise<StepOutcome | undefined> {
    return (await this.#find(keys)) ?? (await this.#scope.shared.find(keys));
  }

  #record({ text: description }: Step, keys: readonly string[], { diffId, createdAt }: StepOutcome): void {
    this.#scope.shared.record({ keys, diffId, description, createdAt });
  }

  async #find(keys: readonly string[]): Promise<StepOutcome | undefined> {
    for (const key of keys) {
      const step = await this.#parts.cache.find(key);
      if (step === undefined) continue;
      const { diffId, createdAt } = step;
      if (diffId !== undefined && !(await this.#scope.held.take(diffId))) continue;
      this.#used.add(key);
      return { diffId, createdAt };
    }
    return undefined;
  }

  async #keep(tar: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<Digest> {
    const { held } = this.#scope;
    return await this.#parts.run.snapshotter.addNewLayer(tar, (diffId) => held.claim(diffId), signal);
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

  /** What decides on the files that a step mounts: of contexts their content, of stages and images the layers. */
  async #inputDigest(source: Source, path: string): Promise<string> {
    const { signal, sources, chainOf } = this.#scope;
    if (source.kind === 'scratch') return 'scratch';
    if (source.kind !== 'context') return `${path} of ${(await chainOf(source)).join()}`;
    const tree = await sources.context(source.name);
    const copied = [];
    for (const selected of await selectSources(tree, path, { parents: false, dropsOwners: true })) {
      copied.push({ source: selected, entries: await Array.fromAsync(copiedEntries(selected, [])) });
    }
    return await sourceDigest(copied, signal);
  }
}

interface Begun {
  outcome: StepOutcome | undefined;
}

function needsAccounts({ chown }: CopyWork): boolean {
  return chown !== undefined && !/^\d+(?::\d+)?$/.test(chown);
}

async function folderEntries(root: FileTree, path: string): Promise<Iterable<LayerEntry>> {
  const placement = new CopyPlacement(root, {
    destination: path,
    isFolder: true,
    owner: undefined,
    mode: undefined,
    mtime: 0,
  });
  await placement.makeFolders(path);
  return placement.entries;
}
