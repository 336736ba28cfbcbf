import type { IncomingMessage } from 'node:http';
import type { Scope } from '../../auth/access/scope.ts';
import { type AnswerHeaders, type PreparedAnswer, prepareAnswer, type ReadyAnswer } from '../http/answer.ts';
import type { RequestContext } from '../request-context.ts';

/** A cached answer. */
export interface KeptAnswer {
  readonly answer: PreparedAnswer;
  /** The right that a client needs to get it. */
  readonly scope: Scope;
  /** The pattern of its route. */
  readonly route: string;
  readonly renewal?: Renewal;
}

/** The last extension of the grace period: pushers use HEAD to skip uploads, so it extends the period. */
export interface Renewal {
  /** The right to push, which those clients have. */
  readonly scope: Scope;
  /** Start of the content's grace period: milliseconds since 1970. */
  readonly at: number;
}

/** Overhead of an entry beyond its text, for the limit. */
const OVERHEAD = 500;

/**
 * Caches answers that depend only on the request's target and the names in the catalog; a change of names empties it.
 * Holds answers, not rights: the caller checks the client's rights first. Keeps at most `limit` bytes and evicts the
 * least recently used.
 */
export class AnswerCache {
  readonly #version: () => number;
  readonly #limit: number;
  readonly #headers: AnswerHeaders;
  readonly #entries = new Map<string, KeptAnswer>();
  #current: number | undefined;
  #size = 0;
  #hits = 0;
  #misses = 0;

  /**
   * `version` returns another number after every change of names (CatalogVersion). `headers` are those of every answer.
   */
  constructor(version: () => number, limit: number, headers: AnswerHeaders) {
    this.#version = version;
    this.#limit = limit;
    this.#headers = headers;
  }

  /** Bytes in the cache. */
  get size(): number {
    return this.#size;
  }

  /** Number of hits. */
  get hits(): number {
    return this.#hits;
  }

  /** Number of misses. */
  get misses(): number {
    return this.#misses;
  }

  /** Finds the answer to a GET or HEAD of `target`, the request's unparsed path and query. */
  find(target: string): KeptAnswer | undefined {
    const kept = this.#entries.get(target);
    if (kept === undefined) return undefined;
    if (this.#version() !== this.#current) {
      this.#clear();
      return undefined;
    }
    this.#entries.delete(target);
    this.#entries.set(target, kept);
    this.#hits += 1;
    return kept;
  }

  /**
   * Begins an answer; must be called before the route reads the catalog. The returned function caches the answer,
   * unless names have changed since.
   */
  begin(ctx: RequestContext): (scope: Scope, answer: ReadyAnswer, renewal?: Renewal) => void {
    this.#misses += 1;
    const version = this.#version();
    return (scope, answer, renewal) => {
      const target = ctx.req.url;
      if (target === undefined || asksForMore(ctx.req) || this.#version() !== version) return;
      if (version !== this.#current) this.#clear();
      this.#current = version;
      const route = String(ctx._matchedRoute ?? '');
      const prepared = prepareAnswer(answer, this.#headers);
      this.#add(target, { answer: prepared, scope, route, ...(renewal && { renewal }) });
    };
  }

  #add(target: string, kept: KeptAnswer): void {
    const size = sizeOf(target, kept);
    if (size > this.#limit) return;
    this.#remove(target);
    this.#entries.set(target, kept);
    this.#size += size;
    for (const oldest of this.#entries.keys()) {
      if (this.#size <= this.#limit) return;
      this.#remove(oldest);
    }
  }

  #remove(target: string): void {
    const kept = this.#entries.get(target);
    if (kept === undefined) return;
    this.#entries.delete(target);
    this.#size -= sizeOf(target, kept);
  }

  #clear(): void {
    this.#entries.clear();
    this.#size = 0;
  }
}

/** Headers with which an answer may differ from another one for the same target. */
const MORE = [
  ...['content-length', 'transfer-encoding', 'expect', 'range', 'if-match', 'origin'],
  'x-forwarded-prefix',
];

/** Reports whether the answer depends on more of the request than method, target, rights and If-None-Match. */
export function asksForMore({ headers }: IncomingMessage): boolean {
  for (const name of MORE) if (headers[name] !== undefined) return true;
  return false;
}

function sizeOf(target: string, { answer }: KeptAnswer): number {
  return OVERHEAD + target.length + answer.size;
}
