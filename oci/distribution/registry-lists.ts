import { nextLink } from '../../lib/http/next-link.ts';
import { OciError } from '../errors.ts';
import { isJsonObject, type JsonObject, refuseTooManyValues } from '../json.ts';
import { DistributionError, refusal } from './errors.ts';
import type { HttpResponse } from './http-exchange.ts';
import { readWhole, sendExpecting } from './registry-request.ts';
import type { RegistrySession } from './registry-session.ts';
import { type RetryPolicy, withRetries } from './retry.ts';

/** A list of a registry, in pages (distribution-spec, "Content Discovery"). */
export interface PagedList {
  /** Path of the first page. */
  readonly path: string;
  /** For messages, such as `the tags of host/name`. */
  readonly what: string;
  /** The repository as `host/name`, or the registry, for messages. */
  readonly name: string;
  /** Longer lists are refused. */
  readonly maxPages?: number;
}

/** Entries per page. */
export const PAGE_SIZE = 1000;
const MAX_PAGES = 10_000;
const MAX_PAGE_BYTES = 16 << 20;
/** Maximum bytes of all pages together. */
const MAX_LIST_BYTES = 64 << 20;

/**
 * Yields the pages of a list, following their Link headers at this registry only. Throws DistributionError, also 'registry' for
 * a list without an end.
 */
export async function* listPages(
  session: RegistrySession,
  { path, what, name, maxPages = MAX_PAGES }: PagedList,
  retries: RetryPolicy,
  signal: AbortSignal,
): AsyncGenerator<JsonObject, void, undefined> {
  const statuses = [200];
  const refused = ({ status, url }: HttpResponse, detail: Parameters<typeof refusal>[1]) =>
    refusal(status, detail, { method: 'GET', url, name, reference: name });
  let bytes = 0;
  let target: string | URL | undefined = path;
  for (let pages = 1; target !== undefined; pages++) {
    const request = { method: 'GET', target } as const;
    const { response, body } = await withRetries(retries, signal, async () => {
      const response = await sendExpecting(session, request, { statuses, refusal: refused }, signal);
      return { response, body: await readWhole(response, MAX_PAGE_BYTES, signal) };
    });
    yield await parsePage(body, what);
    const link = nextLink(`${response.headers.link ?? ''}`);
    const next: URL | undefined = link === undefined ? undefined : session.resolveLink(link, response);
    bytes += body?.length ?? 0;
    if (
      next !== undefined &&
      (bytes > MAX_LIST_BYTES || pages === maxPages || next.href === response.url.href)
    ) {
      throw new DistributionError('registry', `the registry's list of ${what} has no end`);
    }
    target = next;
  }
}

async function parsePage(body: Buffer | undefined, what: string): Promise<JsonObject> {
  try {
    if (body === undefined) throw unreadableList(what);
    await refuseTooManyValues(body, 'it');
    const page: unknown = JSON.parse(body.toString('utf8'));
    if (isJsonObject(page)) return page;
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof OciError)) throw error;
  }
  throw unreadableList(what);
}

/**
 * Returns the strings in a field of a page; none if it is missing or null. Throws DistributionError for any other
 * value.
 */
export function stringsOf(field: unknown, what: string): readonly string[] {
  if (field === null || field === undefined) return [];
  if (Array.isArray(field) && field.every((entry) => typeof entry === 'string')) return field;
  throw unreadableList(what);
}

/** Returns the error for a list that violates the specification. */
export function unreadableList(what: string): DistributionError {
  return new DistributionError('registry', `the registry's list of ${what} cannot be read`);
}
