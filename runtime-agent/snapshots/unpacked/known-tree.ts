import { followLinks, type LinkedTree, type StepCount } from '../entry-path.ts';

/** A name in a tree. */
export interface KnownNode {
  /** Path from the root; each character is one byte. */
  readonly path: string;
  readonly children: Map<string, KnownNode>;
  found: FoundNode | undefined;
}

export type FoundNode =
  | { readonly kind: 'folder' | 'whiteout' | 'other' | 'nothing' }
  | { readonly kind: 'link'; readonly target: string };

/** Maximum bytes of the paths that are remembered. */
const MAX_PATHS = 16 << 20;
const FOLDER: FoundNode = { kind: 'folder' };

/**
 * Caches the folders and links of a tree with a single writer, so that each is read once rather than for each entry
 * below it. The writer reports every name that it changes. Memory is bounded.
 */
export class KnownTree implements LinkedTree<KnownNode> {
  readonly root: KnownNode = { path: '/', children: new Map(), found: FOLDER };
  readonly #look: (path: string) => FoundNode;
  readonly #steps: StepCount;
  readonly #maxPaths: number;
  #paths = 0;

  constructor(look: (path: string) => FoundNode, steps: StepCount, maxPaths = MAX_PATHS) {
    this.#look = look;
    this.#steps = steps;
    this.#maxPaths = maxPaths;
  }

  childOf(folder: KnownNode, name: string): KnownNode {
    const known = folder.children.get(name);
    if (known !== undefined) return known;
    const path = folder === this.root ? `/${name}` : `${folder.path}/${name}`;
    if (this.#paths + path.length > this.#maxPaths) {
      this.root.children.clear();
      this.#paths = 0;
    }
    this.#paths += path.length;
    const child: KnownNode = { path, children: new Map(), found: undefined };
    folder.children.set(name, child);
    return child;
  }

  targetOf(node: KnownNode): string | undefined {
    const found = this.find(node);
    return found.kind === 'link' ? found.target : undefined;
  }

  step(): void {
    this.#steps.add();
  }

  find(node: KnownNode): FoundNode {
    if (node.found !== undefined) return node.found;
    const found = this.#look(node.path);
    // Other entries change more often than they are looked up.
    if (found.kind === 'folder' || found.kind === 'link') node.found = found;
    return found;
  }

  /** Forgets a name of a folder, because something else is, or may be, there now. */
  forget(folder: KnownNode, name: string): void {
    folder.children.delete(name);
  }

  /** Records that a folder was created there. */
  setFolder(node: KnownNode): void {
    node.found = FOLDER;
  }

  /** See followLinks. */
  follow(names: readonly string[]): readonly string[] | undefined {
    return followLinks(names, this);
  }
}
