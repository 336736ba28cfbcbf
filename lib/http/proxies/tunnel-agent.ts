import type { Agent, AgentOptions } from 'node:https';
import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { http } from '../node-http.ts';
import { proxyPort, refusalOfProxy, unreachableProxy } from './proxy-error.ts';
import { proxyAuthorization } from './proxy-settings.ts';

/** Returns an agent for TLS connections through a proxy. It keeps connections alive as a direct agent does. */
export function tunnelAgent(options: AgentOptions, tunnel: Omit<TunnelRequest, 'target'>): Agent {
  const agent = new (process.getBuiltinModule('node:https').Agent)(options);
  const encrypt = agent.createConnection.bind(agent);
  agent.createConnection = (connection, callback) => {
    const { host, port } = connection;
    const target = `${host?.includes(':') ? `[${host}]` : host}:${port}`;
    openTunnel({ ...tunnel, target }).then(
      (socket) => callback?.(null, encrypt({ ...connection, socket } as typeof connection) as never),
      (error) => callback?.(error, undefined as never),
    );
    return undefined;
  };
  return agent;
}

interface TunnelRequest {
  readonly proxy: URL;
  /** `HOST:PORT` */
  readonly target: string;
  /** Trusted certificates, for a proxy that is reached by TLS. */
  readonly secureContext: SecureContext;
  /** Timeout of the proxy, milliseconds. */
  readonly timeout: number;
}

/**
 * Opens a tunnel to a target with CONNECT (RFC 9110, 9.3.6). Rejects with ProxyError, and with ProxyLoginError when the
 * proxy requires another login.
 */
function openTunnel({ proxy, target, secureContext, timeout }: TunnelRequest): Promise<Socket> {
  const isSecure = proxy.protocol === 'https:';
  const { request } = isSecure ? process.getBuiltinModule('node:https') : http;
  return new Promise((resolve, reject) => {
    const outgoing = request({
      method: 'CONNECT',
      hostname: proxy.hostname.replace(/^\[|\]$/g, ''),
      port: proxyPort(proxy),
      path: target,
      headers: { host: target, ...proxyAuthorization(proxy) },
      agent: false,
      ...(isSecure && { secureContext }),
    });
    const timer = setTimeout(
      () => outgoing.destroy(new Error(`no answer for ${timeout / 1000} seconds`)),
      timeout,
    );
    outgoing.once('connect', ({ statusCode = 0, statusMessage = '' }, socket, head) => {
      clearTimeout(timer);
      if (statusCode >= 200 && statusCode < 300) {
        if (head.length > 0) socket.unshift(head);
        resolve(socket as Socket);
        return;
      }
      socket.destroy();
      reject(refusalOfProxy(proxy, statusCode, statusMessage, target));
    });
    const fail = (error: Error) => {
      clearTimeout(timer);
      reject(unreachableProxy(proxy, error));
    };
    outgoing.once('error', fail);
    outgoing.once('close', () => fail(new Error('the connection was closed without an answer')));
    outgoing.end();
  });
}
