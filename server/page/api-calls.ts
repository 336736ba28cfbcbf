import type { AuditCatalog } from '../../storage/catalog/audit-catalog.ts';
import { recordingChange } from '../../storage/catalog/recorded-change.ts';
import { requireScope } from '../api/access.ts';
import type { GivenRequest, Route } from '../api/route.ts';
import { RegistryError } from '../errors.ts';
import { changeOf } from '../management/audit.ts';
import type { RequestContext } from '../request-context.ts';

/**
 * Calls routes of the management API for pages, in this process: with the same rights, the same checks of input, the
 * same refusals, and the same record of changes.
 */
export class ApiCalls {
  readonly #routes: ReadonlyMap<string, Route>;
  readonly #audit: Pick<AuditCatalog, 'record'>;
  readonly #base: string;

  /** `base` is the path of the API, for the record. */
  constructor(routes: readonly Route[], audit: Pick<AuditCatalog, 'record'>, base: string) {
    this.#routes = new Map(routes.map((route) => [route.id, route]));
    this.#audit = audit;
    this.#base = base;
  }

  /**
   * Returns the answer of the route with an id; the caller states its type as in the API's document. Throws the route's
   * refusals.
   */
  async call<Answer = void>(ctx: RequestContext, id: string, given: GivenRequest = {}): Promise<Answer> {
    const route = this.#routes.get(id);
    if (route === undefined) throw new Error(`the API has no route ${id}`);
    if (ctx.state.identity.kind === 'anonymous') throw new RegistryError('UNAUTHORIZED');
    requireScope(ctx, route);
    if (route.method === 'GET') return (await route.call(ctx, given)) as Answer;
    let answer: unknown;
    const entry = () => changeOf(ctx.state, this.#nameOf(route, given));
    const recorded = await recordingChange(entry, async () => {
      answer = await route.call(ctx, given);
    });
    if (!recorded) await this.#audit.record([entry()]);
    return answer as Answer;
  }

  #nameOf({ method, path }: Route, { params = {}, query = {} }: GivenRequest): string {
    const named = path.replaceAll(/\{(\w+)\}/g, (_all, name: string) =>
      encodeURIComponent(params[name] ?? ''),
    );
    const search = new URLSearchParams(query).toString();
    return `${method} ${this.#base}${named}${search === '' ? '' : `?${search}`}`;
  }
}
