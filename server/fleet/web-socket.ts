import type { WebSocket } from 'ws';
import { SettingInvalidError } from '../../auth/errors.ts';
import { PROTOCOL } from '../../fleet/messages.ts';
import { REQUEST_ID_HEADER, requestIdOf } from '../../lib/http/request-id.ts';
import { RegistryError } from '../errors.ts';
import { offersUpgrade, takeUpgrade } from '../http/upgrades.ts';
import type { RequestContext } from '../request-context.ts';

/** Milliseconds for the other side to close. */
const CLOSE_TIMEOUT = 10_000;

/**
 * Accepts the WebSocket of a request (RFC 6455, section 4.2) with the fleet's protocol; the request then has no other
 * answer. Messages beyond `limit` bytes are refused, and pings are not answered: the reader of the socket does that
 * within its limits. Throws RegistryError and SettingInvalidError.
 */
export async function acceptWebSocket(ctx: RequestContext, limit: number): Promise<WebSocket> {
  refuseHandshake(ctx);
  // Takes long to load.
  const { WebSocketServer } = await import('ws');
  const options = {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: limit,
    autoPong: false,
    closeTimeout: CLOSE_TIMEOUT,
    handleProtocols: () => PROTOCOL,
  };
  const server = new WebSocketServer(options);
  server.once('headers', (lines) => lines.push(`${REQUEST_ID_HEADER}: ${requestIdOf(ctx.req)}`));
  const upgrade = takeUpgrade(ctx.req);
  if (upgrade === undefined) throw new RegistryError('UPGRADE_REQUIRED');
  ctx.respond = false;
  // As checked above: ws would refuse a list with a duplicate.
  ctx.req.headers['sec-websocket-protocol'] = PROTOCOL;
  return new Promise((resolve) => server.handleUpgrade(ctx.req, upgrade.socket, upgrade.head, resolve));
}

function refuseHandshake({ req }: RequestContext): void {
  const { headers } = req;
  if (!offersUpgrade(req)) {
    throw new RegistryError('UPGRADE_REQUIRED', undefined, { headers: { Upgrade: 'websocket' } });
  }
  if (headers['sec-websocket-version'] !== '13') {
    throw new RegistryError('UPGRADE_REQUIRED', 'the version of the WebSocket must be 13', {
      headers: { 'Sec-WebSocket-Version': '13' },
    });
  }
  if (!/^[A-Za-z0-9+/]{22}==$/.test(headers['sec-websocket-key'] ?? '')) {
    throw new SettingInvalidError('Sec-WebSocket-Key must be 16 bytes in base64');
  }
  const offered = headers['sec-websocket-protocol']?.split(',').map((name) => name.trim()) ?? [];
  if (!offered.includes(PROTOCOL)) {
    throw new SettingInvalidError(
      `Sec-WebSocket-Protocol must be ${PROTOCOL}: use an agent and a registry of neighbouring versions`,
    );
  }
}
