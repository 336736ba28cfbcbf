import { randomBytes } from 'node:crypto';
import type { Digest } from '../../../oci/digest.ts';
import type { LayerStore } from '../../snapshots/layer-store.ts';
import type { RootfsOverlays } from '../../snapshots/rootfs-overlays.ts';
import type { BuildSource } from '../builder.ts';
import type { FileTree } from '../context/file-tree.ts';
import { FolderTree } from '../context/folder-tree.ts';
import type { GitFiles } from '../context/git/git-files.ts';
import type { GitUrl } from '../context/git/git-url.ts';
import { ignoreRules } from '../context/ignore-rules.ts';
import { IgnoredTree } from '../context/ignored-tree.ts';
import type { LayerChain } from '../solver/step-key.ts';
import type { HeldLayers } from './held-layers.ts';
import type { OpenedFolder } from './open-mounts.ts';
import { CopyPlacement } from './place-copy.ts';
import { copiedEntries, selectSources } from './select-sources.ts';
import { writeLayer } from './write-layer.ts';

export interface BuildSourcesOptions {
  readonly layerStore: LayerStore;
  readonly overlays: RootfsOverlays;
  readonly held: HeldLayers;
  readonly source: BuildSource;
  /** The lines of the ignore file, for the main context. */
  readonly ignored: readonly string[];
  /** The parts of a context that the build reads; undefined means all of it. */
  readonly wanted: (name: string | undefined) => readonly string[] | undefined;
  readonly fetchGit: (url: GitUrl) => Promise<GitFiles>;
  /** Brings missing layers to this host. */
  readonly bring: (chain: LayerChain) => Promise<void>;
  readonly signal: AbortSignal;
}

/** The files that a build reads: its contexts, and trees of layers. Each is opened once, on demand. */
export class BuildSources {
  readonly #options: BuildSourcesOptions;
  readonly #contexts = new Map<string | undefined, Promise<FileTree>>();
  readonly #layers = new Map<string, Promise<FileTree>>();
  readonly #repositories = new Map<string, Promise<GitFiles>>();
  readonly #contextLayers = new Map<string | undefined, Promise<Digest>>();

  constructor(options: BuildSourcesOptions) {
    this.#options = options;
  }

  /** Returns the files of a context, without the ignored ones. */
  context(name: string | undefined): Promise<FileTree> {
    return once(this.#contexts, name, () => this.#openContext(name));
  }

  /** Returns the combined files of layers. */
  layers(chain: LayerChain): Promise<FileTree> {
    return once(this.#layers, chain.join(), () => this.#mount(chain));
  }

  /** Returns the files of a git repository, fetched once for the whole build. */
  repository(url: GitUrl): Promise<GitFiles> {
    return once(this.#repositories, JSON.stringify(url), () => this.#options.fetchGit(url));
  }

  /** Opens a folder with the files of layers, writable for a step. */
  async openLayers(chain: LayerChain): Promise<OpenedFolder> {
    await this.#options.bring(chain);
    const id = randomId();
    const { path } = await this.#options.overlays.mount(id, chain);
    return { path, release: () => this.#options.overlays.remove(id) };
  }

  /** Opens a folder with the files of a context, writable for a step. */
  async openContext(name: string | undefined): Promise<OpenedFolder> {
    return await this.openLayers([await once(this.#contextLayers, name, () => this.#packContext(name))]);
  }

  async close(): Promise<void> {
    const repositories = [...this.#repositories.values()].map(async (files) => (await files).tree);
    const opened = [...this.#contexts.values(), ...this.#layers.values(), ...repositories];
    const trees = await Promise.allSettled(opened);
    for (const tree of trees) if (tree.status === 'fulfilled') await tree.value.release();
  }

  async #openContext(name: string | undefined): Promise<FileTree> {
    const { source, ignored, wanted, signal } = this.#options;
    const include = wanted(name);
    const exclude = name === undefined ? ignored : [];
    const opened = await source.openContext(
      name,
      { exclude, ...(include === undefined ? {} : { include }) },
      signal,
    );
    const tree = 'path' in opened ? new FolderTree(opened.path, () => opened.release()) : opened;
    return exclude.length === 0 ? tree : new IgnoredTree(tree, ignoreRules(exclude));
  }

  async #mount(chain: LayerChain): Promise<FileTree> {
    const opened = await this.openLayers(chain);
    return new FolderTree(opened.path, () => opened.release());
  }

  async #packContext(name: string | undefined): Promise<Digest> {
    const { layerStore, held, signal } = this.#options;
    const tree = await this.context(name);
    const placement = new CopyPlacement(undefined, {
      destination: '',
      isFolder: true,
      owner: undefined,
      mode: undefined,
      mtime: 0,
    });
    for (const source of await selectSources(tree, '.', { parents: false, dropsOwners: true })) {
      await placement.add(source, copiedEntries(source, []));
    }
    const tar = writeLayer(placement.entries, Number.POSITIVE_INFINITY, signal);
    return await layerStore.addNew(tar, (diffId) => held.claim(diffId), signal);
  }
}

/** A random ID of 64 hexadecimal digits, like a container's: recovery finds leftovers of a killed agent by it. */
export function randomId(): string {
  return randomBytes(32).toString('hex');
}

function once<Key, Value>(
  known: Map<Key, Promise<Value>>,
  key: Key,
  make: () => Promise<Value>,
): Promise<Value> {
  let value = known.get(key);
  if (value === undefined) {
    const making = make();
    making.catch(() => {
      if (known.get(key) === making) known.delete(key);
    });
    known.set(key, making);
    value = making;
  }
  return value;
}
