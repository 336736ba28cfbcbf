import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CleanupScope, defer } from './cleanup.ts';

export interface GitServer {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** Whether it answers 401 from now on, to who shows no authorization. */
  setPrivate(isPrivate: boolean): void;
  /** Whether it takes requests and answers nothing from now on. */
  setSilent(isSilent: boolean): void;
  /** The authorization that it was last shown. */
  authorization(): string | undefined;
  /** Requests so far. */
  requests(): number;
}

/** Serves the repositories below a folder over HTTP, by git's own http-backend. */
export async function startGitServer(scope: CleanupScope, root: string): Promise<GitServer> {
  let isPrivate = false;
  let isSilent = false;
  let requests = 0;
  let authorization: string | undefined;
  const server = createServer((request, response) => {
    requests += 1;
    if (isSilent) return;
    authorization = request.headers.authorization ?? authorization;
    if (isPrivate && request.headers.authorization === undefined) {
      response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="git"' }).end();
      return;
    }
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://git');
    const backend = spawn('git', ['http-backend'], {
      env: {
        PATH: process.env.PATH,
        GIT_PROJECT_ROOT: root,
        GIT_HTTP_EXPORT_ALL: '1',
        GIT_CONFIG_COUNT: '1',
        GIT_CONFIG_KEY_0: 'safe.directory',
        GIT_CONFIG_VALUE_0: '*',
        PATH_INFO: pathname,
        QUERY_STRING: searchParams.toString(),
        REQUEST_METHOD: request.method,
        CONTENT_TYPE: request.headers['content-type'],
        HTTP_CONTENT_ENCODING: request.headers['content-encoding'],
        GIT_PROTOCOL: request.headers['git-protocol'] as string | undefined,
      },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    request.pipe(backend.stdin);
    backend.stdin.on('error', () => undefined);
    const chunks: Buffer[] = [];
    backend.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    backend.on('close', () => {
      const answer = Buffer.concat(chunks);
      const end = answer.indexOf('\r\n\r\n');
      const fields = answer.subarray(0, end).toString('latin1').split('\r\n');
      const headers = new Map(fields.map((field) => field.split(/:\s*/, 2) as [string, string]));
      response.writeHead(Number.parseInt(headers.get('Status') ?? '200', 10), {
        'Content-Type': headers.get('Content-Type') ?? 'application/octet-stream',
      });
      response.end(answer.subarray(end + 4));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  defer(scope, async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    setPrivate: (value) => {
      isPrivate = value;
    },
    setSilent: (value) => {
      isSilent = value;
    },
    authorization: () => authorization,
    requests: () => requests,
  };
}
