import type { WorkUnderWay } from './work-under-way.ts';

interface Request {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
}

interface Closing {
  once(event: 'close', listener: () => void): unknown;
}

/** Names an HTTP request as work until `until` closes: method and path, without the query, which may hold secrets. */
export function followRequest(work: WorkUnderWay, { method = '', url = '' }: Request, until: Closing): void {
  const query = url.indexOf('?');
  const ticket = work.begin(`${method} ${query === -1 ? url : url.slice(0, query)}`);
  until.once('close', () => work.end(ticket));
}
