import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type ParsedNode,
  parseDocument,
  type ScalarTag,
} from 'yaml';
import { ComposeError, type ComposePath, type Position } from './compose-error.ts';

/** Maximum size of a Compose file, bytes of UTF-8. */
export const COMPOSE_LIMIT = 1024 * 1024;
/** Maximum values after aliases and merge keys of a file are expanded. */
const MOST_VALUES = 20_000;
const MOST_ALIASES = 10_000;

/** The YAML of a Compose file, with the position of each value. */
export class ComposeText {
  readonly value: unknown;
  readonly #document: Document.Parsed;
  readonly #lines = new LineCounter();

  /** Throws ComposeError for text that is too large, that is not YAML, or whose aliases expand to too many values. */
  constructor(text: string) {
    if (Buffer.byteLength(text) > COMPOSE_LIMIT) {
      throw new ComposeError([{ path: [], message: `the file is larger than ${COMPOSE_LIMIT} bytes` }]);
    }
    this.#document = parseDocument(text, {
      lineCounter: this.#lines,
      prettyErrors: false,
      merge: true,
      customTags: (tags) => [octal, underscored, ...tags],
    });
    const errors = this.#document.errors.slice(0, 20);
    if (errors.length > 0) {
      throw new ComposeError(
        errors.map(({ code, message, pos }) => ({
          path: [],
          message: code === 'MULTIPLE_DOCS' ? 'has a second document: put it into a separate file' : message,
          ...this.#at(pos[0]),
        })),
      );
    }
    this.#refuseBomb();
    this.value = this.#document.toJS({ maxAliasCount: MOST_ALIASES });
  }

  /**
   * Returns the position of a key or item; if the text does not have it, that of the nearest value that contains it.
   */
  position(path: ComposePath): Position | undefined {
    let node: unknown = this.#document.contents;
    let at: Position | undefined;
    for (const part of path) {
      const child = this.#child(node, part);
      if (child === undefined) break;
      const start = isNode(child.key) ? child.key.range?.[0] : undefined;
      if (start !== undefined) at = this.#at(start);
      node = child.value;
    }
    return at;
  }

  #at(offset: number): Position {
    const { line, col } = this.#lines.linePos(offset);
    return { line, column: col };
  }

  #child(
    parent: unknown,
    part: string | number,
  ): { readonly key: unknown; readonly value: unknown } | undefined {
    const node = this.#resolve(parent);
    if (isSeq(node)) {
      const item = typeof part === 'number' ? node.items[part] : undefined;
      return item === undefined ? undefined : { key: item, value: item };
    }
    if (!isMap(node)) return undefined;
    const own = node.items.find(({ key }) => String(isScalar(key) ? key.value : key) === String(part));
    if (own !== undefined) return own;
    // A merge key: `<<: *one` or `<<: [*one, *other]`.
    for (const { key, value } of node.items) {
      if (!isScalar(key) || key.source !== '<<') continue;
      const merged = this.#resolve(value);
      for (const source of isSeq(merged) ? merged.items : [merged]) {
        const found = this.#child(source, part);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  #resolve(node: unknown): unknown {
    return isAlias(node) ? node.resolve(this.#document) : node;
  }

  /** Counts the values after alias expansion, in one pass over the text: an alias stands after its anchor. */
  #refuseBomb(): void {
    const sizes = new Map<string, number>();
    const size = (node: unknown, depth: number): number => {
      if (depth > 100) throw this.#problem(node, 'is nested deeper than 100');
      if (isPair(node)) return size(node.key, depth) + size(node.value, depth);
      if (!isNode(node)) return 0;
      if (isAlias(node)) {
        const known = sizes.get(node.source);
        if (known === undefined) throw this.#problem(node, `the alias *${node.source} contains itself`);
        return known;
      }
      let total = 1;
      for (const item of isMap(node) || isSeq(node) ? node.items : []) {
        total += size(item, depth + 1);
        if (total > MOST_VALUES) throw this.#problem(node, `has more than ${MOST_VALUES} values`);
      }
      if (node.anchor !== undefined) sizes.set(node.anchor, total);
      return total;
    };
    size(this.#document.contents, 0);
  }

  #problem(node: unknown, message: string): ComposeError {
    const start = isNode(node) ? (node as Node | ParsedNode).range?.[0] : undefined;
    return new ComposeError([{ path: [], message, ...(start === undefined ? {} : this.#at(start)) }]);
  }
}

/** `0440`, which Compose reads as octal, as in YAML 1.1. */
const octal: ScalarTag = {
  identify: () => false,
  default: true,
  tag: 'tag:yaml.org,2002:int',
  test: /^[-+]?0[0-7_]+$/,
  resolve: (text) => Number.parseInt(text.replaceAll('_', ''), 8),
};

/** `1_000`, as in YAML 1.1. */
const underscored: ScalarTag = {
  identify: () => false,
  default: true,
  tag: 'tag:yaml.org,2002:int',
  test: /^[-+]?[1-9][0-9]*_[0-9_]*$/,
  resolve: (text) => Number(text.replaceAll('_', '')),
};
