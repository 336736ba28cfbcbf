import type { FileTree } from './file-tree.ts';

/** Trees that several builds read concurrently: each is opened once, and released after its last reader. */
export class SharedTrees {
  readonly #open = new Map<string, { readonly tree: Promise<FileTree>; readers: number }>();

  /** Joins the readers of the tree of `key`, or opens it. */
  async borrow(key: string, open: () => Promise<FileTree>): Promise<FileTree> {
    let shared = this.#open.get(key);
    if (shared === undefined) {
      shared = { tree: open(), readers: 0 };
      this.#open.set(key, shared);
    }
    shared.readers += 1;
    try {
      return borrowed(await shared.tree, () => this.#leave(key));
    } catch (error) {
      if (this.#open.get(key) === shared) this.#open.delete(key);
      throw error;
    }
  }

  async #leave(key: string): Promise<void> {
    const shared = this.#open.get(key);
    if (shared === undefined) return;
    shared.readers -= 1;
    if (shared.readers > 0) return;
    this.#open.delete(key);
    await (await shared.tree).release();
  }
}

/** Returns a tree that belongs to another owner, who is notified once when this reader releases it. */
export function borrowed(tree: FileTree, release: () => Promise<void>): FileTree {
  let isReleased = false;
  return {
    notes: tree.notes,
    entry: (path) => tree.entry(path),
    children: (path) => tree.children(path),
    read: (file) => tree.read(file),
    contentDigest: (file, signal) => tree.contentDigest(file, signal),
    xattrs: (path) => tree.xattrs(path),
    release: async () => {
      if (isReleased) return;
      isReleased = true;
      await release();
    },
  };
}
