import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { RemoteRegistry } from '../../oci/distribution/remote-registry.ts';
import { type EngineErrorCode, isEngineError } from '../../runtime-agent/errors.ts';
import { type AgentImages, openAgentImages } from '../support/agent-images.ts';
import { type Fault, makeBrokenImage } from '../support/broken-images.ts';
import { imageFolder } from '../support/image-cache.ts';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { listTree } from '../support/list-tree.ts';
import { readBlob, readManifest } from '../support/oci-layout.ts';
import { pushLayout } from '../support/push-layout.ts';
import { startScriptedRegistry } from '../support/scripted-registry.ts';
import {
  makeBigImage,
  makeBusyboxImage,
  makeDockerSchema2Image,
  makeMultiArchImage,
} from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';

describe('images of the agent: pull', { skip: unlessRoot() }, () => {
  it('takes gzip, zstd and plain layers, and docker media types', async (t) => {
    const folder = await imageFolder(t);
    const registry = await startInProcessRegistry(t);
    const agent = await openAgentImages(t);
    const images = [
      await makeBusyboxImage(folder),
      await makeBusyboxImage(folder, 'zstd'),
      await makeBusyboxImage(folder, 'none'),
      await makeDockerSchema2Image(folder),
    ];
    for (const [index, made] of images.entries()) {
      const host = new URL(registry.url).host;
      await pushLayout(made, `${host}/team/app:${index}`);
      const { image, steps } = await agent.pull(`${host}/team/app:${index}`);
      assert.equal(image.manifestDigest, made.digest);
      assert.deepEqual(image.config.Cmd, ['/bin/sh']);
      assert.deepEqual(image.platform, {
        os: 'linux',
        architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      });
      assert.ok(image.repoTags.includes(`${host}/team/app:${index}`));
      assert.ok(image.repoDigests.includes(`${host}/team/app@${made.digest}`));
      assert.deepEqual(steps.at(0), { kind: 'pulling-from', repository: 'team/app', tag: `${index}` });
      assert.deepEqual(steps.at(-2), { kind: 'digest', digest: made.digest });
      assert.deepEqual(steps.at(-1), { kind: 'status', newer: true, reference: `${host}/team/app:${index}` });
      const { path } = await agent.overlays.mount(`c${index}`, image.diffIds);
      assert.ok((await readFile(join(path, 'bin/busybox'))).length > 100_000);
    }
    // The same tar in every compression: one layer, fetched once.
    assert.equal((await agent.layerStore.list()).length, 1);
  });

  it('says what is new and what is here already', async (t) => {
    const folder = await imageFolder(t);
    const [small, big] = [await makeBusyboxImage(folder), await makeBigImage(folder, 300_000)];
    const registry = await startScriptedRegistry(t, small, big);
    const agent = await openAgentImages(t);
    const states = async (tag: string) => {
      const { steps } = await agent.pull(`${registry.host}/team/app:${tag}`);
      return steps.flatMap<string | boolean>((step) =>
        step.kind === 'layer' && step.state !== 'downloading'
          ? [step.state]
          : step.kind === 'status'
            ? [step.newer]
            : [],
      );
    };
    assert.deepEqual(await states(small.refName), [
      'pulling-fs-layer',
      'verifying-checksum',
      'download-complete',
      'extracting',
      'pull-complete',
      true,
    ]);
    assert.deepEqual(await states(big.refName), [
      'already-exists',
      'pulling-fs-layer',
      'verifying-checksum',
      'download-complete',
      'extracting',
      'pull-complete',
      true,
    ]);
    const before = registry.requests.length;
    assert.deepEqual(await states(big.refName), ['already-exists', 'already-exists', false]);
    const again = registry.requests.slice(before).filter((request) => request.includes('/blobs/'));
    assert.deepEqual(again, []);
  });

  it('calls a tag up to date that names the same image, though its digest is new', async (t) => {
    const made = await makeBusyboxImage(await imageFolder(t));
    const registry = await startScriptedRegistry(t, made);
    const agent = await openAgentImages(t);
    const reference = `${registry.host}/team/app:${made.refName}`;
    const { image } = await agent.pull(reference);
    // As of an image that was loaded: the tag alone.
    await agent.images.tag(image.id, 'other:1');
    await agent.images.remove(reference, { force: false, users: [] });
    await agent.images.tag('other:1', reference);
    assert.deepEqual((await agent.images.get(reference)).repoDigests, []);
    const { steps } = await agent.pull(reference);
    assert.deepEqual(steps.at(-1), { kind: 'status', newer: false, reference });
  });

  it('asks the mirrors of a registry for tags and manifests too', async (t) => {
    const made = await makeBusyboxImage(await imageFolder(t));
    const registry = await startInProcessRegistry(t);
    const host = `127.0.0.1:${registry.port}`;
    await pushLayout(made, `${host}/team/app:1`);
    const mirrors = [
      { of: 'mirrored.invalid', host: '127.0.0.1:1', scheme: 'http' as const },
      { of: 'mirrored.invalid', host, scheme: 'http' as const },
    ];
    const agent = await openAgentImages(t, undefined, { mirrors });
    const queries = new RemoteRegistry(agent.registry);
    const { signal } = new AbortController();
    const found = await queries.describe('mirrored.invalid/team/app:1', { signal });
    assert.equal(found.digest, made.digest);
    assert.deepEqual(await queries.tags('mirrored.invalid/team/app', { signal }), ['1']);
    await assert.rejects(queries.tags('unmirrored.invalid/team/app', { signal }), { code: 'registry' });
  });

  it('gives no image a name that reads as a digest, and lists names by registry', async (t) => {
    const made = await makeBusyboxImage(await imageFolder(t));
    const registry = await startScriptedRegistry(t, made);
    const agent = await openAgentImages(t);
    const reference = `${registry.host}/team/app:${made.refName}`;
    const { image } = await agent.pull(reference);
    await assert.rejects(agent.images.tag(image.id, 'sha256:y'), {
      message: 'refusing to create an ambiguous tag using digest algorithm as name',
    });
    for (const name of ['localhost/x:1', 'zz/a:1', 'q:1']) await agent.images.tag(image.id, name);
    const { repoTags } = await agent.images.get(image.id);
    assert.deepEqual(repoTags, [reference, 'q:1', 'zz/a:1', 'localhost/x:1']);
  });

  it('chooses the image of this host from an index, or of the platform that is asked for', async (t) => {
    const made = await makeMultiArchImage(await imageFolder(t));
    const registry = await startScriptedRegistry(t, made);
    const agent = await openAgentImages(t);
    const reference = `${registry.host}/team/app:${made.refName}`;
    const { image } = await agent.pull(reference);
    const own = process.arch === 'x64' ? 'amd64' : process.arch;
    const other = own === 'amd64' ? 'arm64' : 'amd64';
    assert.equal(image.platform.architecture, own);
    assert.deepEqual(image.repoDigests, [`${registry.host}/team/app@${made.digest}`]);
    const { image: second } = await agent.pull(reference, { platform: { os: 'linux', architecture: other } });
    assert.equal(second.platform.architecture, other);
    assert.notEqual(second.id, image.id);
    assert.deepEqual((await agent.images.get(image.id)).repoTags, [], 'the tag has gone over');
    await fails(
      agent,
      reference,
      'not-found',
      /no matching manifest for linux\/s390x in the manifest list entries/,
      {
        platform: { os: 'linux', architecture: 's390x' },
      },
    );
  });

  it('pulls an image of another architecture when it is all there is', async (t) => {
    const made = await makeBrokenImage(await imageFolder(t), 'other-architecture');
    const registry = await startScriptedRegistry(t, made);
    const agent = await openAgentImages(t);
    const reference = `${registry.host}/team/app:${made.refName}`;
    const { image } = await agent.pull(reference);
    assert.match(image.platform.architecture, /s390x|amd64/);
    await fails(
      agent,
      reference,
      'not-found',
      /does not match the specified platform: wanted linux\/riscv64/,
      {
        platform: { os: 'linux', architecture: 'riscv64' },
      },
    );
  });

  it('pulls by digest', async (t) => {
    const made = await makeBusyboxImage(await imageFolder(t));
    const registry = await startScriptedRegistry(t, made);
    const agent = await openAgentImages(t);
    const reference = `${registry.host}/team/app@${made.digest}`;
    const { image, steps } = await agent.pull(reference);
    assert.deepEqual(image.repoTags, []);
    assert.deepEqual(image.repoDigests, [reference]);
    assert.deepEqual(steps.at(0), { kind: 'pulling-from', repository: 'team/app', tag: made.digest });
    assert.equal((await agent.images.get(reference)).id, image.id);
  });

  it('is there after a restart, and so are its layers', async (t) => {
    const made = await makeBusyboxImage(await imageFolder(t));
    const registry = await startScriptedRegistry(t, made);
    const agent = await openAgentImages(t);
    const reference = `${registry.host}/team/app:${made.refName}`;
    const { image } = await agent.pull(reference);
    const next = await agent.restart();
    assert.deepEqual(await next.images.list(), [image]);
    const { path } = await next.overlays.mount('c', image.diffIds);
    assert.ok((await readdir(path)).includes('bin'));
  });
});

describe('images of the agent: broken images', { skip: unlessRoot() }, () => {
  const cases: Readonly<Partial<Record<Fault, RegExp>>> = {
    'layer-no-gzip': /layer sha256:[0-9a-f]{64} is broken: it is declared as gzip, but is not/,
    'layer-cut-short': /layer sha256:[0-9a-f]{64} is broken: its gzip content is damaged/,
    'layer-no-tar': /layer sha256:[0-9a-f]{64} is not a valid tar: a header has a wrong checksum, at byte 0/,
    'tar-cut-short': /layer sha256:[0-9a-f]{64} is not a valid tar: it ends within an entry, at byte 2000/,
    'wrong-diff-id': /layer sha256:0{64} is damaged: its uncompressed content has the digest sha256:/,
    'more-diff-ids-than-layers': /its manifest has 1 layers and its configuration 2/,
    'fewer-diff-ids-than-layers': /its manifest has 1 layers and its configuration 0/,
  };
  for (const [fault, message] of Object.entries(cases)) {
    it(`refuses ${fault}, and keeps nothing of it`, async (t) => {
      const folder = await imageFolder(t);
      const [good, broken] = [await makeBusyboxImage(folder), await makeBrokenImage(folder, fault as Fault)];
      const registry = await startScriptedRegistry(t, good, broken);
      const agent = await openAgentImages(t);
      await agent.pull(`${registry.host}/team/app:${good.refName}`);
      const before = await kept(agent);
      await fails(agent, `${registry.host}/team/app:${broken.refName}`, 'bad-request', message);
      assert.deepEqual(await kept(agent), before);
    });
  }

  it('refuses a layer that was changed on its way, at whatever byte', async (t) => {
    const made = await makeBusyboxImage(await imageFolder(t));
    const registry = await startScriptedRegistry(t, made);
    const agent = await openAgentImages(t);
    const before = await kept(agent);
    const { layers = [] } = await readManifest(made.layout, made.digest);
    const { digest = '' } = layers[0] ?? {};
    const bytes = await readBlob(made.layout, digest);
    for (const at of [0, 5, bytes.length >> 1, bytes.length - 1]) {
      const changed = Buffer.from(bytes);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      registry.intercept = (request, response) => {
        if (!request.url?.endsWith(`/blobs/${digest}`)) return false;
        response.end(changed);
        return true;
      };
      await fails(
        agent,
        `${registry.host}/team/app:${made.refName}`,
        'bad-request',
        new RegExp(`^filesystem layer verification failed for digest ${digest}: `),
      );
    }
    assert.deepEqual(await kept(agent), before);
  });

  it('refuses what is no image, or none of this system', async (t) => {
    const made = await makeBusyboxImage(await imageFolder(t));
    const registry = await startScriptedRegistry(t, made);
    const agent = await openAgentImages(t);
    const manifest = (body: object | string) => {
      registry.intercept = (request, response) => {
        if (!request.url?.includes('/manifests/')) return false;
        response.setHeader('content-type', 'application/vnd.oci.image.manifest.v1+json');
        response.end(typeof body === 'string' ? body : JSON.stringify(body));
        return true;
      };
    };
    const reference = `${registry.host}/team/app:odd`;
    const chart = {
      mediaType: 'application/vnd.cncf.helm.config.v1+json',
      digest: `sha256:${'1'.repeat(64)}`,
      size: 2,
    };
    manifest({ schemaVersion: 2, config: chart, layers: [] });
    await fails(agent, reference, 'bad-request', /is not a container image: .* application\/vnd\.cncf\.helm/);
    manifest('{');
    await fails(agent, reference, 'bad-request', /the image is broken: /);
    manifest(' '.repeat((4 << 20) + 1));
    await fails(agent, reference, 'bad-request', /is larger than 4194304 bytes/);
  });
});

async function fails(
  agent: AgentImages,
  reference: string,
  code: EngineErrorCode,
  message: RegExp,
  options: Parameters<AgentImages['pull']>[1] = {},
): Promise<void> {
  await assert.rejects(agent.pull(reference, options), (error) => {
    assert.ok(isEngineError(error), String(error));
    assert.match(error.message, message);
    assert.equal(error.code, code);
    return true;
  });
}

/** All that an agent has on its disk, but for the database's journal. */
async function kept(agent: AgentImages): Promise<readonly string[]> {
  const paths = await listTree(agent.dataDirectory);
  return paths.filter((path) => !/sqlite-(?:wal|shm)$/.test(path) && !/^layers\/[^/]*\/fs\/./.test(path));
}
