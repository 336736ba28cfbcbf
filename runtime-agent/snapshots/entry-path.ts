import { TarFormatError } from '../../lib/tar/tar-header.ts';

/** Maximum links that are followed on the way to one entry, as in other readers of layers. */
const MAX_LINKS = 255;

/** Splits a path below the root into names; `..` removes the name before it lexically. */
export function namesOf(path: string): readonly string[] {
  const names: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') names.pop();
    else if (part !== '' && part !== '.') names.push(part);
  }
  return names;
}

/** Maximum steps while resolving the paths of all entries of a layer; each takes a fraction of a microsecond. */
const MAX_STEPS = 50_000_000;

/** Counts the steps of resolving paths of a layer. Throws TarFormatError beyond the maximum. */
export class StepCount {
  readonly #max: number;
  #steps = 0;

  constructor(max = MAX_STEPS) {
    this.#max = max;
  }

  add(): void {
    this.#steps += 1;
    if (this.#steps > this.#max) throw new TarFormatError('the ways to its entries are too long together');
  }
}

/** A tree, as seen by followLinks. A node may represent a missing entry. */
export interface LinkedTree<Node> {
  readonly root: Node;
  childOf(folder: Node, name: string): Node;
  /** The target of a symlink, undefined for all else. */
  targetOf(node: Node): string | undefined;
  /** Called for each name on the way; an error that it throws ends the search. */
  step(): void;
}

/**
 * Resolves a folder with symlinks on the way, none of which escapes the root; missing entries count as folders. Returns
 * undefined for a loop of links.
 */
export function followLinks<Node>(
  names: readonly string[],
  tree: LinkedTree<Node>,
): readonly string[] | undefined {
  const pending = names.toReversed();
  const followed: string[] = [];
  const nodes: Node[] = [];
  let links = 0;
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    tree.step();
    if (name === '..') {
      if (followed.pop() !== undefined) nodes.pop();
      continue;
    }
    const folder = nodes.length === 0 ? tree.root : (nodes[nodes.length - 1] as Node);
    const node = tree.childOf(folder, name);
    const target = tree.targetOf(node);
    if (target === undefined) {
      followed.push(name);
      nodes.push(node);
      continue;
    }
    links += 1;
    if (links > MAX_LINKS) return undefined;
    if (target.startsWith('/')) {
      followed.length = 0;
      nodes.length = 0;
    }
    const parts = target.split('/').filter((part) => part !== '' && part !== '.');
    pending.push(...parts.reverse());
  }
  return followed;
}
