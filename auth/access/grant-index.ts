import { matchesWildcard, wildcardPrefix } from '../../lib/pattern/wildcard.ts';
import type { Grant } from './role.ts';

/** Maximum grants for which a linear scan is as fast as an index. */
const FEW = 16;

/** A PieceMap with more pieces than this uses lookups; for fewer, comparing each is cheaper. */
const FEW_PIECES = 64;

const indexes = new WeakMap<readonly Grant[], GrantIndex>();

/**
 * Reports whether a grant whose pattern matches `text` passes `test`. `text` is a repository or, as for matchesWildcard,
 * another pattern. The index of many grants is made once, so `grants` must not change afterwards.
 */
export function someGrant(grants: readonly Grant[], text: string, test: (grant: Grant) => boolean): boolean {
  if (grants.length <= FEW)
    return grants.some((grant) => matchesWildcard(grant.pattern, text) && test(grant));
  return indexOf(grants).some(text, test);
}

/** Returns the prefixes of names that grants allow to pull from: sorted, none a prefix of another. */
export function pullPrefixes(grants: readonly Grant[]): readonly string[] {
  return grants.length <= FEW ? prefixesOf(grants) : indexOf(grants).prefixes;
}

function indexOf(grants: readonly Grant[]): GrantIndex {
  const index = indexes.get(grants) ?? new GrantIndex(grants);
  indexes.set(grants, index);
  return index;
}

/**
 * Grants by the pieces of their patterns, the texts between the stars. A lookup follows only the pieces that occur in
 * the text: it does not depend on the number of grants that do not match. Memory grows with the number of grants.
 */
export class GrantIndex {
  readonly prefixes: readonly string[];
  readonly #exact = new Map<string, Grant[]>();
  readonly #wild: Node = { next: undefined, last: undefined };

  constructor(grants: readonly Grant[]) {
    this.prefixes = prefixesOf(grants);
    for (const grant of grants) {
      const pieces = grant.pattern.split('*');
      const last = pieces.pop() ?? '';
      if (pieces.length === 0) {
        append(this.#exact, last, grant);
        continue;
      }
      let node = this.#wild;
      for (const piece of pieces) {
        node.next ??= new PieceMap();
        node = node.next.get(piece) ?? node.next.set(piece, { next: undefined, last: undefined });
      }
      node.last ??= new PieceMap();
      (node.last.get(last) ?? node.last.set(last, [])).push(grant);
    }
  }

  /** Reports whether a grant whose pattern matches `text` passes `test`. */
  some(text: string, test: (grant: Grant) => boolean): boolean {
    if (this.#exact.get(text)?.some(test)) return true;
    for (const { node, end } of this.#wild.next?.startsOf(text) ?? []) {
      if (someBelow(node, text, end, test)) return true;
    }
    return false;
  }
}

/** The grants whose patterns begin with the same pieces. */
interface Node {
  /** By the next piece, if a star follows it. */
  next: PieceMap<Node> | undefined;
  /** By the piece that ends the pattern. */
  last: PieceMap<Grant[]> | undefined;
}

/** `at` is the end of the pieces before: their leftmost occurrence, which leaves the most room for the rest. */
function someBelow(node: Node, text: string, at: number, test: (grant: Grant) => boolean): boolean {
  for (const grants of node.last?.endsOf(text, at) ?? []) if (grants.some(test)) return true;
  for (const { node: below, end } of node.next?.within(text, at) ?? []) {
    if (someBelow(below, text, end, test)) return true;
  }
  return false;
}

/** Values by pieces of text, found by the lengths of the pieces. */
class PieceMap<Value> {
  readonly #values = new Map<string, Value>();
  readonly #lengths = new Set<number>();

  get(piece: string): Value | undefined {
    return this.#values.get(piece);
  }

  set(piece: string, value: Value): Value {
    this.#values.set(piece, value);
    this.#lengths.add(piece.length);
    return value;
  }

  /** Yields the values of the pieces that `text` begins with. */
  *startsOf(text: string): Generator<{ readonly node: Value; readonly end: number }> {
    for (const length of this.#lengths) {
      const node = length > text.length ? undefined : this.#values.get(text.slice(0, length));
      if (node !== undefined) yield { node, end: length };
    }
  }

  /** Yields the values of the pieces that `text` ends with, from `at` on. */
  *endsOf(text: string, at: number): Generator<Value> {
    for (const length of this.#lengths) {
      const value =
        length > text.length - at ? undefined : this.#values.get(text.slice(text.length - length));
      if (value !== undefined) yield value;
    }
  }

  /** Yields the values of the pieces that occur in `text` from `at` on, each with the end of its first occurrence. */
  *within(text: string, at: number): Generator<{ readonly node: Value; readonly end: number }> {
    if (this.#values.size <= FEW_PIECES) {
      for (const [piece, node] of this.#values) {
        const found = text.indexOf(piece, at);
        if (found >= 0) yield { node, end: found + piece.length };
      }
      return;
    }
    const seen = new Set<Value>();
    for (const length of this.#lengths) {
      for (let start = at; start + length <= text.length; start += 1) {
        const node = this.#values.get(text.slice(start, start + length));
        if (node === undefined || seen.has(node)) continue;
        seen.add(node);
        yield { node, end: start + length };
      }
    }
  }
}

function prefixesOf(grants: readonly Grant[]): readonly string[] {
  const prefixes = new Set<string>();
  for (const { actions, pattern } of grants)
    if (actions.includes('pull')) prefixes.add(wildcardPrefix(pattern));
  const kept: string[] = [];
  for (const prefix of [...prefixes].sort()) {
    const before = kept.at(-1);
    if (before === undefined || !prefix.startsWith(before)) kept.push(prefix);
  }
  return kept;
}

function append(map: Map<string, Grant[]>, key: string, grant: Grant): void {
  const there = map.get(key);
  if (there === undefined) map.set(key, [grant]);
  else there.push(grant);
}
