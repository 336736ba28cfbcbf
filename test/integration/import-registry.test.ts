import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parseDigest } from '../../oci/digest.ts';
import { openImportSource } from '../../server/cli/import-source.ts';
import { openStoredRegistry } from '../../server/cli/stored-registry.ts';
import { describeImportSource } from '../contract/import-source.ts';
import { runBerth } from '../support/berth-command.ts';
import { eventually } from '../support/eventually.ts';
import { imageFolder } from '../support/image-cache.ts';
import { startProcess } from '../support/managed-process.ts';
import { readManifest } from '../support/oci-layout.ts';
import { REGISTRY_PROGRAM } from '../support/programs.ts';
import { manifestDigest } from '../support/registry-digests.ts';
import { startRegistry } from '../support/registry-process.ts';
import { runCommand } from '../support/run-command.ts';
import { type ScriptedRegistry, startScriptedRegistry } from '../support/scripted-registry.ts';
import { attachedTo, fillRegistry } from '../support/source-registry.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { makeBigImage } from '../support/test-images.ts';

const options = { timeout: 900_000 };
const LAYER_SIZE = 3_000_000;
const image = await makeBigImage(await imageFolder({ after }), LAYER_SIZE);

const open = await startRegistry({ after });
const filled = await fillRegistry({ after }, open.host);

describeImportSource('berth over HTTP', async () => ({
  // As some write the address of a registry.
  source: await openImportSource(`${open.url}/v2/`, undefined, { DOCKER_CONFIG: '/nowhere' }),
  filled,
  lists: { manifests: false, referrers: true },
}));

test('a berth with a login is imported, with what refers to its images', options, async (t) => {
  const { images, untagged } = filled;
  await open.stop();
  const password = 'right-password';
  const source = await startRegistry(t, { dataDir: open.dataDir, adminPassword: password });
  const target = await startRegistry(t);
  const bring = (env: Record<string, string>, ...args: string[]) =>
    runCommand(
      process.execPath,
      [REGISTRY_PROGRAM, 'import', '--from', source.url, '--data', target.dataDir, ...args],
      {
        env: { DOCKER_CONFIG: target.dataDir, ...env },
        expectExit: 'any',
      },
    );
  const anonymous = await bring({});
  assert.equal(anonymous.exitCode, 1);
  assert.match(
    anonymous.stderr,
    /^berth: Get "http:\S+": unauthorized: .*: check --user and BERTH_IMPORT_PASSWORD, .*: run the same command again/,
  );
  const wrong = await bring({ BERTH_IMPORT_PASSWORD: 'wrong' }, '--user', 'admin');
  assert.equal(wrong.exitCode, 1);
  assert.match(wrong.stderr, /^berth: Get "http:\S+": unauthorized: .*: check --user/);

  const one = await bring({ BERTH_IMPORT_PASSWORD: password }, '--user', 'admin', '--repository', 'solo');
  assert.match(one.stdout, /^1 repository: 2 tags; new: 2 manifests/m);
  const none = await bring({ BERTH_IMPORT_PASSWORD: password }, '--user', 'admin', '--repository', 'sollo');
  assert.equal(none.exitCode, 1);
  assert.match(none.stdout, /^not imported: sollo: the source has no such repository/m);
  const folder = await makeTempDir(t, 'docker-config');
  const auth = Buffer.from(`admin:${password}`).toString('base64');
  await writeFile(join(folder, 'config.json'), JSON.stringify({ auths: { [source.host]: { auth } } }));
  const right = await bring({ DOCKER_CONFIG: folder });
  assert.equal(right.exitCode, 0, right.stdout + right.stderr);
  for (const [name, digest] of images) {
    const [repository = '', tag = ''] = name.split(':');
    assert.equal(await manifestDigest(target.url, repository, tag), digest, name);
  }
  assert.deepEqual(await attachedTo(t, `${target.host}/team/app:1`), ['application/vnd.berth.sbom']);
  await assert.rejects(manifestDigest(target.url, 'team/app', untagged), /answered 404/);
  assert.equal((await runBerth('fsck', '--data', target.dataDir)).exitCode, 0);
});

test('tokens, pages, refusals to be repeated and connections that break', options, async (t) => {
  const source = await scriptedSource(t);
  let tokens = 0;
  let refusals = 0;
  let cuts = 0;
  source.intercept = (request, response) => {
    const url = request.url ?? '';
    if (url.startsWith('/token?')) {
      tokens += 1;
      assert.equal(request.headers.authorization, undefined);
      response.end(JSON.stringify({ access_token: new URL(url, 'http://x').searchParams.get('scope') }));
      return true;
    }
    const scope = url.startsWith('/v2/_catalog') ? 'registry:catalog:*' : 'repository:team/app:pull';
    if (request.headers.authorization !== `Bearer ${scope}`) {
      response.setHeader('WWW-Authenticate', `Bearer realm="http://${source.host}/token",service="test"`);
      return answer(response, 401, '{}');
    }
    if (url.startsWith('/v2/_catalog') && refusals < 2) {
      refusals += 1;
      response.setHeader('Retry-After', '0');
      return answer(response, 429, '{}');
    }
    if (url.includes('/blobs/') && request.headers.range === undefined && request.method === 'GET') {
      cuts += 1;
      const end = response.end.bind(response);
      response.end = ((chunk: Buffer) => {
        if (chunk.length < LAYER_SIZE) return end(chunk);
        return response.write(chunk.subarray(0, LAYER_SIZE / 2), () => response.destroy());
      }) as typeof response.end;
    }
    return lists(source, request, response);
  };
  const data = join(await makeTempDir(t, 'imported'), 'data');
  const result = await runBerth('import', '--from', `http://${source.host}`, '--data', data);
  assert.equal(result.exitCode, 0, result.stdout + result.stderr);
  assert.match(result.stdout, /^team\/app: 2 tags; new: 1 manifest, 3 blobs /m);
  assert.deepEqual({ tokens, refusals, cuts: cuts > 0 }, { tokens: 2, refusals: 2, cuts: true });
  const registry = await startRegistry(t, { dataDir: data });
  assert.equal(await manifestDigest(registry.url, 'team/app', 'other'), image.digest);
});

test('an import that is interrupted, or killed, goes on when it is run again', options, async (t) => {
  const source = await scriptedSource(t);
  let held = 0;
  source.intercept = (request, response) => {
    // The large layer stands still: everything else is there by then.
    if (request.method === 'GET' && request.url?.includes('/blobs/') && held < 2) {
      const end = response.end.bind(response);
      response.end = ((chunk: Buffer) => {
        if (chunk.length < LAYER_SIZE) return end(chunk);
        held += 1;
        response.write(chunk.subarray(0, LAYER_SIZE / 2));
        return response;
      }) as typeof response.end;
    }
    return lists(source, request, response);
  };
  const data = join(await makeTempDir(t, 'imported'), 'data');
  const args = ['import', '--from', `http://${source.host}`, '--data', data];
  for (const [time, signal] of (['SIGINT', 'SIGKILL'] as const).entries()) {
    const running = startProcess(t, process.execPath, [REGISTRY_PROGRAM, ...args]);
    await eventually('all but the large layer is there', async () => {
      assert.equal(running.exit(), undefined, running.output());
      return held > time && (await linkedBlobs(data)) === 2 ? true : undefined;
    });
    const exit = await running.end(signal);
    if (signal === 'SIGINT') {
      assert.equal(exit.code, 1);
      assert.match(running.output(), /^berth: interrupted: run the same command again to continue$/m);
    }
  }
  const before = source.requests.length;
  const last = await runBerth(...args);
  assert.equal(last.exitCode, 0, last.stdout + last.stderr);
  const blobs = source.requests.slice(before).filter((line) => line.includes('/blobs/'));
  assert.equal(blobs.length, 1, `what is there is not copied again: ${blobs.join(', ')}`);
  assert.equal((await runBerth('fsck', '--data', data)).exitCode, 0);
  const again = source.requests.length;
  assert.match((await runBerth(...args)).stdout, /^team\/app: 2 tags; new: 0 manifests, 0 blobs \(0 B\)$/m);
  assert.ok(source.requests.slice(again).every((line) => !line.includes('/blobs/')));
});

test(
  'content with another digest is not taken, and what a source that is gone leaves is told',
  options,
  async (t) => {
    const source = await scriptedSource(t);
    source.intercept = (request, response) => {
      if (request.method === 'GET' && request.url?.includes('/blobs/')) {
        const end = response.end.bind(response);
        response.end = ((chunk: Buffer) => {
          const changed = Buffer.from(chunk);
          changed[0] = (changed[0] ?? 0) ^ 1;
          return end(changed);
        }) as typeof response.end;
      }
      return lists(source, request, response);
    };
    const data = join(await makeTempDir(t, 'imported'), 'data');
    const result = await runBerth('import', '--from', `http://${source.host}`, '--data', data);
    assert.equal(result.exitCode, 1);
    assert.match(
      result.stdout,
      /^not imported: team\/app:\S+, team\/app:\S+: sha256:\w+ is damaged in the source/m,
    );
    assert.match(result.stdout, /; 1 problem: see above$/m);
  },
);

async function linkedBlobs(data: string): Promise<number> {
  await using registry = await openStoredRegistry({ data });
  const { config, layers = [] } = await readManifest(image.layout, image.digest);
  const digests = [...(config ? [config] : []), ...layers].map(({ digest }) => parseDigest(digest));
  return (await registry.catalog.blobs.sizes('team/app', digests)).size;
}

/** Has `team/app` with two tags of one image. */
async function scriptedSource(t: Parameters<typeof startScriptedRegistry>[0]): Promise<ScriptedRegistry> {
  const source = await startScriptedRegistry(t, image);
  source.intercept = (request, response) => lists(source, request, response);
  return source;
}

/** The lists of a registry with pages of one entry, and a tag more. */
function lists(source: ScriptedRegistry, request: IncomingMessage, response: ServerResponse): boolean {
  const url = new URL(request.url ?? '', `http://${source.host}`);
  if (url.pathname === '/v2/_catalog')
    return answer(response, 200, JSON.stringify({ repositories: ['team/app'] }));
  if (url.pathname === '/v2/team/app/tags/list') {
    const isLast = url.searchParams.has('last');
    if (!isLast) response.setHeader('Link', `</v2/team/app/tags/list?last=${image.refName}&n=1>; rel="next"`);
    return answer(response, 200, JSON.stringify({ tags: [isLast ? 'other' : image.refName] }));
  }
  if (url.pathname === '/v2/team/app/manifests/other')
    request.url = `/v2/team/app/manifests/${image.refName}`;
  return false;
}

function answer(response: ServerResponse, status: number, body: string): true {
  response.writeHead(status, { 'content-type': 'application/json' }).end(body);
  return true;
}
