import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

/** The header of a request and of its answer that names both in the log of the server. */
export const REQUEST_ID_HEADER = 'X-Request-ID';

const ID = Symbol('request id');
const VALID = /^[A-Za-z0-9._-]{1,128}$/;
const PREFIX = randomBytes(6).toString('hex');
/** To format the number of each request would take longer than all else. */
const LAST_DIGITS = Array.from({ length: 1000 }, (_, number) => String(number).padStart(3, '0'));
let thousands = 1;
let last = 0;
let start = `${PREFIX}-${thousands}`;

/** Returns an ID that no other request has: a random prefix of this process, and a number. */
export function newRequestId(): string {
  if (last === LAST_DIGITS.length) {
    thousands += 1;
    last = 0;
    start = `${PREFIX}-${thousands}`;
  }
  const id = start + LAST_DIGITS[last];
  last += 1;
  return id;
}

/** Returns the client's own ID of a request if that is valid, otherwise a new one at each call. */
export function makeRequestId({ headers }: IncomingMessage): string {
  return headers['x-request-id'] === undefined ? newRequestId() : (validId(headers) ?? newRequestId());
}

/** Returns the ID of a request, the same at each call: its client's own if that is valid, otherwise a new one. */
export function requestIdOf(req: IncomingMessage & { [ID]?: string }): string {
  const known = req[ID];
  if (known !== undefined) return known;
  const id = makeRequestId(req);
  req[ID] = id;
  return id;
}

/**
 * Returns a hint to append to the message of an answer with `status` and `headers`: the ID by which the log of
 * `server` has more about a failure (5xx). Returns '' for other answers, and without an ID.
 */
export function requestIdHint(status: number, headers: IncomingHttpHeaders, server = 'the registry'): string {
  const id = status >= 500 ? validId(headers) : undefined;
  return id === undefined ? '' : ` (${server}'s log has more: request ID ${id})`;
}

function validId(headers: IncomingHttpHeaders): string | undefined {
  const given = headers['x-request-id'];
  return typeof given === 'string' && VALID.test(given) ? given : undefined;
}
