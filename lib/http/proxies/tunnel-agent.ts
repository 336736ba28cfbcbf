import type { Agent, AgentOptions } from 'node:https';
import { openTunnel, type TunnelRequest } from './open-tunnel.ts';

/** Connections with TLS through a proxy, kept open between requests as those without one. */
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
