import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestCertificate } from './certificate-authority.ts';
import type { CleanupScope } from './cleanup.ts';
import { freePort } from './free-port.ts';
import { type ManagedProcess, startProcess } from './managed-process.ts';
import { makeTempDir } from './temp-dir.ts';
import { untilItListens } from './until-it-listens.ts';

export interface ReverseProxy {
  /** `127.0.0.1:PORT`, where it speaks TLS. */
  readonly host: string;
  readonly process: ManagedProcess;
}

const EXAMPLES = join(import.meta.dirname, '../../deploy/proxies');

export const PROXIES = ['nginx', 'haproxy', 'caddy'] as const;

/** Runs an example of deploy/proxies with nothing changed but addresses and paths, in one process; more than one registry with HAProxy. */
export async function startReverseProxy(
  scope: CleanupScope,
  kind: (typeof PROXIES)[number],
  registryHosts: string | readonly string[],
  tls: TestCertificate,
): Promise<ReverseProxy> {
  const folder = await makeTempDir(scope, kind);
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const certificate = [
    ['/etc/ssl/registry/fullchain.pem', tls.certificate],
    ['/etc/ssl/registry/privkey.pem', tls.key],
  ] as const;
  const [first = '', ...more] = [registryHosts].flat();
  const upstream = ['127.0.0.1:5000', [first, ...more].join(' ')] as const;
  const config = join(folder, 'config');
  const start = {
    nginx: async () => {
      await writeExample('nginx.conf', join(folder, 'site'), [
        [nginxServer('127.0.0.1:5000'), [first, ...more].map(nginxServer).join('\n    ')],
        ['listen 443', `listen ${host}`],
        ...certificate,
      ]);
      await writeFile(config, nginxMain(folder));
      return startProcess(scope, '/usr/sbin/nginx', ['-c', config, '-e', 'stderr']);
    },
    haproxy: async () => {
      const pem = ['/etc/ssl/registry/registry.pem', tls.both] as const;
      const line = 'server berth1 127.0.0.1:5000';
      const lines = [first, ...more].map((address, index) => `server berth${index + 1} ${address}`);
      const servers = [line, lines.join('\n    ')] as const;
      await writeExample('haproxy.cfg', config, [servers, ['bind :443', `bind ${host}`], pem]);
      return startProcess(scope, '/usr/sbin/haproxy', ['-db', '-f', config]);
    },
    caddy: async () => {
      const site = ['registry.example {', `https://${host} {\n\tbind 127.0.0.1`] as const;
      await writeExample('Caddyfile', config, [upstream, site, ...certificate], '{\n\tadmin off\n}\n');
      return startProcess(scope, 'caddy', ['run', '--adapter', 'caddyfile', '--config', config], {
        env: { XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder, HOME: folder },
      });
    },
  } as const;
  const process = await start[kind]();
  await untilItListens(port, process);
  return { host, process };
}

function nginxServer(address: string): string {
  return `server ${address} max_fails=0;`;
}

/** nginx's own settings, with all that it writes in the test's folder. */
function nginxMain(folder: string): string {
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return [
    `daemon off; master_process off; user root; pid ${folder}/pid; error_log stderr warn;`,
    'events { worker_connections 256; }',
    'http {',
    `access_log off; ${kinds.map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(' ')}`,
    `include ${folder}/site;`,
    '}',
  ].join('\n');
}

async function writeExample(
  name: string,
  target: string,
  replaced: readonly (readonly [string, string])[],
  before = '',
): Promise<void> {
  let text = await readFile(join(EXAMPLES, name), 'utf8');
  for (const [from, to] of replaced) {
    if (!text.includes(from)) throw new Error(`deploy/proxies/${name} has no "${from}" any more`);
    text = text.replace(from, to);
  }
  await writeFile(target, before + text);
}
