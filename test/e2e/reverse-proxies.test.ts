import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { makeCertificate } from '../support/certificate-authority.ts';
import { startDockerd } from '../support/dockerd.ts';
import { imageFolder } from '../support/image-cache.ts';
import { secureClient, ZEROS, zeros } from '../support/large-zeros.ts';
import { setUpPodman } from '../support/podman.ts';
import { REGISTRY_PROGRAM } from '../support/programs.ts';
import { pushLayout } from '../support/push-layout.ts';
import { manifestDigest } from '../support/registry-digests.ts';
import { startRegistry } from '../support/registry-process.ts';
import { PROXIES, startReverseProxy } from '../support/reverse-proxy.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { makeMultiArchImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';

const options = { skip: unlessRoot(), timeout: 900_000 };
const scope = { after };
/** What a proxy may need for a client that sends and one that receives. */
const MOST_MEMORY = 150_000_000;
const MOST_WRITTEN = 20_000_000;
/** Bytes that come back through a proxy: beyond what any of them keeps in memory. */
const DOWNLOAD = 256 * 1024 * 1024;

const tls = await makeCertificate(scope);
const user = { name: 'admin', password: 'right-password' };
const registry = await startRegistry(scope, {
  adminPassword: user.password,
  args: ['--trusted-proxy', '127.0.0.1', '--gc-interval', 'off', '--log-level', 'warn'],
});

for (const kind of PROXIES) {
  test(`a layer of 2 GiB goes through ${kind}, which keeps none of it`, options, async (t) => {
    const proxy = await startReverseProxy(t, kind, registry.host, tls);
    const client = await secureClient(proxy.host, tls.authority, user);
    t.after(() => client.close());
    const begun = await client.send('POST', `/v2/${kind}/large/blobs/uploads/`);
    assert.equal(begun.statusCode, 202);
    const patched = await client.send('PATCH', locationOf(begun, proxy.host), zeros());
    assert.equal(patched.statusCode, 202);
    assert.equal(patched.headers.range, `0-${ZEROS.size - 1}`);
    const put = await client.send('PUT', `${locationOf(patched, proxy.host)}?digest=${ZEROS.digest}`);
    assert.equal(put.statusCode, 201);
    let received = 0;
    const range = { range: `bytes=0-${DOWNLOAD - 1}` };
    const got = await client.send('GET', locationOf(put, proxy.host), undefined, range);
    for await (const chunk of got) received += (chunk as Buffer).length;
    assert.equal(received, DOWNLOAD);

    const memory = await proxy.process.peakRssBytes();
    const written = await writtenBytes(proxy.process.pid);
    t.diagnostic(`${kind}: ${Math.round(memory / 1e6)} MB of memory, ${written} bytes on the disk`);
    assert.ok(memory < MOST_MEMORY, `${memory} bytes of memory`);
    assert.ok(written < MOST_WRITTEN, `${written} bytes on the disk`);
  });
}

test('docker, podman and skopeo push and pull through each of them', options, async (t) => {
  const image = await makeMultiArchImage(await imageFolder(t));
  const source = `oci:${image.layout}:${image.refName}`;
  const work = await makeTempDir(t, 'proxies');
  const { docker } = await startDockerd(t);
  const { podman } = await setUpPodman(t);
  const trusting = [`--cert-dir=${tls.authorityFolder}`, '--tls-verify=true'];
  const id = (await podman(['pull', '--quiet', source])).stdout.trim();
  for (const kind of PROXIES) {
    const { host } = await startReverseProxy(t, kind, registry.host, tls);
    await checkRealm(host);
    const login = ['login', '--username', user.name, '--password-stdin'];
    await podman([...login, ...trusting, host], { input: user.password });
    await docker([...login, host], { input: user.password });
    const creds = `${user.name}:${user.password}`;
    const name = (client: string) => `${host}/${kind}/${client}:1`;
    const skopeo = (...args: string[]) =>
      runCommand('skopeo', ['copy', '--all', '--preserve-digests', ...args], { env: { TMPDIR: work } });
    const toProxy = [`--dest-cert-dir=${tls.authorityFolder}`, `--dest-creds=${creds}`];
    await skopeo(...toProxy, source, `docker://${name('skopeo')}`);
    await skopeo(
      `--src-cert-dir=${tls.authorityFolder}`,
      `--src-creds=${creds}`,
      `docker://${name('skopeo')}`,
      `dir:${join(work, kind)}`,
    );
    assert.equal(await manifestDigest(registry.url, `${kind}/skopeo`, '1', user), image.digest);

    await podman(['push', ...trusting, id, name('podman')]);
    await podman(['rmi', name('podman')]).catch(() => undefined);
    assert.equal((await podman(['pull', '--quiet', ...trusting, name('podman')])).stdout.trim(), id);

    // dockerd takes registries on 127.0.0.1 with any certificate, and by TLS where they speak it.
    await docker(['pull', '--quiet', name('skopeo')]);
    await docker(['tag', name('skopeo'), name('docker')]);
    await docker(['push', '--quiet', name('docker')]);
    await docker(['rmi', name('docker'), name('skopeo')]);
    await docker(['pull', '--quiet', name('docker')]);
  }
});

test(
  'import takes a registry over TLS from an authority that it trusts, and from no other',
  options,
  async (t) => {
    const image = await makeMultiArchImage(await imageFolder(t));
    const from = await startRegistry(t, {
      adminPassword: user.password,
      args: ['--trusted-proxy', '127.0.0.1'],
    });
    await pushLayout(image, `${from.host}/team/app:1`, user);
    const { host } = await startReverseProxy(t, 'nginx', from.host, tls);
    const data = join(await makeTempDir(t, 'imported'), 'data');
    const bring = (env: Readonly<Record<string, string>>) =>
      runCommand(
        process.execPath,
        [REGISTRY_PROGRAM, 'import', '--from', `https://${host}`, '--user', user.name, '--data', data],
        { env: { BERTH_IMPORT_PASSWORD: user.password, ...env }, expectExit: 'any' },
      );
    const refused = await bring({});
    assert.equal(refused.exitCode, 1);
    assert.match(refused.stderr, /^berth: https:\S+ cannot be reached: .*certificate/);
    const taken = await bring({ NODE_EXTRA_CA_CERTS: tls.authority });
    assert.equal(taken.exitCode, 0, taken.stdout + taken.stderr);
    assert.match(taken.stdout, /^team\/app: 1 tag; new: 3 manifests, 5 blobs/m);
  },
);

/** Clients are sent for tokens to where they came, whatever they say about that themselves. */
async function checkRealm(host: string): Promise<void> {
  const client = await secureClient(host, tls.authority);
  const lies = {
    forwarded: 'host=elsewhere.example;proto=http',
    'x-forwarded-proto': 'http',
    'x-forwarded-host': 'elsewhere.example',
  };
  const { statusCode, headers } = await client.send('GET', '/v2/', undefined, lies);
  client.close();
  assert.equal(statusCode, 401);
  assert.match(headers['www-authenticate'] ?? '', new RegExp(`^Bearer realm="https://${host}/token"`));
}

/** The path of where an answer leads, which must be the proxy by TLS. */
function locationOf({ headers }: IncomingMessage, host: string): string {
  const url = new URL(headers.location ?? '', `https://${host}/`);
  assert.equal(url.origin, `https://${host}`);
  return `${url.pathname}${url.search}`;
}

/** What a process has had written to disks (proc(5), `/proc/pid/io`). */
async function writtenBytes(pid: number): Promise<number> {
  const io = await readFile(`/proc/${pid}/io`, 'utf8');
  return Number(/^write_bytes: (\d+)$/m.exec(io)?.[1]);
}
