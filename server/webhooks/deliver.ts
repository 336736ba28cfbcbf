import { createHmac } from 'node:crypto';
import { isIP } from 'node:net';
import { http, https } from '../../lib/http/node-http.ts';
import { postText } from '../../lib/http/post-text.ts';
import type { ChooseProxy } from '../../lib/http/proxies/choose-proxy.ts';
import { viaProxy } from '../../lib/http/proxies/via-proxy.ts';
import type { KeptWebhook, ToldEvent } from '../../storage/catalog/webhook-catalog.ts';
import { CLOUD_EVENT_TYPE, cloudEvent } from './cloud-event.ts';
import { isPublicAddress, lookupPublic, PrivateAddressError, refusePrivateName } from './public-addresses.ts';

/** Timeout in milliseconds, from the look-up of the name to the head of the answer. */
const TIMEOUT = 10_000;

/** `refused` is about this event, `unreachable` about the receiver. */
export type DeliveryOutcome =
  | { readonly kind: 'told' }
  | { readonly kind: 'refused' | 'unreachable'; readonly failure: string };

/** Sends an event to a webhook, once. Throws only the signal's reason. */
export type Deliver = (
  webhook: Pick<KeptWebhook, 'secret' | 'url'>,
  event: ToldEvent,
  signal: AbortSignal,
) => Promise<DeliveryOutcome>;

/** How receivers are reached. */
export interface DeliveryWays {
  /** Whether they may be on this machine and in private networks. */
  readonly allowPrivate: boolean;
  readonly choose?: ChooseProxy;
}

/**
 * Creates a Deliver over HTTP, which follows no redirects. The receiver checks `X-Berth-Signature-256: sha256=HEX`, the
 * HMAC-SHA256 of `X-Berth-Timestamp`, a dot and the body under the shared secret, and that the timestamp (seconds since
 * 1970) is recent.
 */
export function createDeliver(ways: DeliveryWays): Deliver {
  return async ({ secret, url }, event, signal) => {
    const body = cloudEvent(event);
    const timestamp = String(Math.floor(Date.now() / 1000));
    const signature = createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex');
    const headers = {
      'Content-Type': CLOUD_EVENT_TYPE,
      'User-Agent': 'berth',
      'X-Berth-Event': event.action,
      'X-Berth-Timestamp': timestamp,
      'X-Berth-Signature-256': `sha256=${signature}`,
    };
    try {
      const status = await post(new URL(url), headers, body, ways, signal);
      if (status >= 200 && status < 300) return { kind: 'told' };
      const passes = status < 200 || status >= 500 || status === 408 || status === 429;
      return { kind: passes ? 'unreachable' : 'refused', failure: `the receiver answered ${status}` };
    } catch (error) {
      signal.throwIfAborted();
      return { kind: 'unreachable', failure: failureOf(error) };
    }
  };
}

async function post(
  url: URL,
  headers: Readonly<Record<string, string>>,
  body: string,
  { allowPrivate, choose }: DeliveryWays,
  signal: AbortSignal,
): Promise<number> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  // IP addresses are not looked up.
  if (!allowPrivate && isIP(host) !== 0 && !isPublicAddress(host)) throw new PrivateAddressError(host);
  const proxy = choose?.(url);
  if (!allowPrivate && proxy !== undefined && isIP(host) === 0) await refusePrivateName(host);
  const { Agent } = url.protocol === 'https:' ? https() : http;
  return postText({
    url,
    headers,
    body,
    signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)]),
    way: {
      agent: proxy === undefined ? false : new Agent(viaProxy(proxy)),
      ...(!allowPrivate && proxy === undefined && { lookup: lookupPublic }),
    },
  });
}

function failureOf(error: unknown): string {
  if (error instanceof PrivateAddressError) return error.message;
  const { code, name } = error as NodeJS.ErrnoException;
  if (name === 'AbortError' || name === 'TimeoutError') return `no answer within ${TIMEOUT / 1000} seconds`;
  return `the receiver cannot be reached (${code ?? name})`;
}
