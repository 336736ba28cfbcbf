import { createServer, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { type CleanupScope, defer } from './cleanup.ts';

export interface NamingProxy {
  /** With the login that it wants: `http://USER:PASSWORD@127.0.0.1:PORT`. */
  readonly url: string;
  /** `HOST:PORT` of each request, in order. */
  readonly asked: readonly string[];
}

const LOGIN = 'proxy:a%20secret';
const AUTHORIZATION = `Basic ${Buffer.from('proxy:a secret').toString('base64')}`;

/**
 * A forward proxy on loopback that alone knows certain names: `names` says to which port of 127.0.0.1 each `HOST:PORT` leads.
 * It answers 502 for other names.
 */
export async function startNamingProxy(
  scope: CleanupScope,
  names: Readonly<Record<string, number>>,
): Promise<NamingProxy> {
  const asked: string[] = [];
  const portOf = (target: string, authorization: string | undefined): number | 407 | 502 => {
    asked.push(target);
    return authorization === AUTHORIZATION ? (names[target] ?? 502) : 407;
  };
  const server = createServer((req, res) => {
    const url = URL.parse(req.url ?? '');
    const port = portOf(`${url?.hostname}:${url?.port || 80}`, req.headers['proxy-authorization']);
    if (url === null || port === 407 || port === 502) {
      req.resume();
      res.writeHead(port === 407 ? 407 : 502).end();
      return;
    }
    const { 'proxy-authorization': _, 'proxy-connection': __, ...headers } = req.headers;
    const path = `${url.pathname}${url.search}`;
    const onward = request({
      host: '127.0.0.1',
      port,
      path,
      method: req.method ?? 'GET',
      headers,
      agent: false,
    });
    onward.on('response', (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(res);
    });
    onward.on('error', () => res.destroy());
    res.on('close', () => onward.destroy());
    req.pipe(onward);
  });
  server.on('connect', (req, socket, head) => {
    const port = portOf(req.url ?? '', req.headers['proxy-authorization']);
    socket.on('error', () => {});
    if (port === 407 || port === 502) {
      socket.end(`HTTP/1.1 ${port} No\r\n\r\n`);
      return;
    }
    const onward = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connected\r\n\r\n');
      onward.write(head);
      onward.pipe(socket).pipe(onward);
    });
    onward.on('error', () => socket.destroy()).on('close', () => socket.destroy());
    socket.on('close', () => onward.destroy());
    defer(scope, async () => {
      socket.destroy();
      onward.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  defer(scope, async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://${LOGIN}@127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}
