import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { describe, it, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { RemoteRegistry } from '../../oci/distribution/remote-registry.ts';
import { MEDIA_TYPES } from '../../oci/media-types.ts';
import { RegistryCaches } from '../../runtime-agent/builder/cache/remote/registry-caches.ts';
import { type AgentImages, openAgentImages } from '../support/agent-images.ts';
import { LONGEST_WAIT } from '../support/longest-wait.ts';
import { startScriptedRegistry } from '../support/scripted-registry.ts';
import { writeTar } from '../support/tar-writer.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { waitUntil } from '../support/wait-until.ts';

type Answer = (response: ServerResponse) => void;

const digestOf = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const tarOf = (name: string) => Buffer.from(writeTar([{ name, type: 'file', content: name }]));
const json = (value: unknown) => Buffer.from(JSON.stringify(value));

/** A registry whose answers the test writes byte for byte. */
async function startRegistry(t: TestContext) {
  const registry = await startScriptedRegistry(t);
  const answers = new Map<string, Answer>();
  registry.intercept = (request, response) => {
    const answer = answers.get(request.url ?? '');
    answer?.(response);
    return answer !== undefined;
  };
  const serve = (path: string, bytes: Uint8Array, type = 'application/octet-stream') =>
    answers.set(`/v2/${path}`, (response) => {
      response.writeHead(200, { 'content-type': type, 'content-length': bytes.length }).end(bytes);
    });

  /** An image of layers whose content is that of `tars`; `blobs` says otherwise for some. */
  function putImage(
    name: string,
    tars: readonly Buffer[],
    { config = {}, blobs = [] as Answer[] } = {},
  ): string {
    const document = json({
      os: 'linux',
      architecture: 'amd64',
      config,
      rootfs: { type: 'layers', diff_ids: tars.map(digestOf) },
    });
    serve(`${name}/blobs/${digestOf(document)}`, document);
    const layers = tars.map((tar, index) => {
      // Other bytes for the same content.
      const blob = gzipSync(tar, { level: blobs[index] === undefined ? 1 : 0 });
      const digest = digestOf(blob);
      serve(`${name}/blobs/${digest}`, blob);
      if (blobs[index] !== undefined) answers.set(`/v2/${name}/blobs/${digest}`, blobs[index]);
      return { mediaType: MEDIA_TYPES.ociLayerGzip, digest, size: blob.length };
    });
    putManifest(name, {
      config: { mediaType: MEDIA_TYPES.ociConfig, digest: digestOf(document), size: document.length },
      layers,
    });
    return `${registry.host}/${name}:1`;
  }

  function putManifest(name: string, fields: object, mediaType: string = MEDIA_TYPES.ociManifest): string {
    serve(`${name}/manifests/1`, json({ schemaVersion: 2, mediaType, ...fields }), mediaType);
    return `${registry.host}/${name}:1`;
  }
  return { ...registry, answers, serve, putImage, putManifest };
}

async function refuses(work: Promise<unknown>, message: RegExp): Promise<void> {
  await assert.rejects(work, (error: Error & { code?: string }) => {
    assert.match(error.message, message);
    return error.code === 'bad-request' || error.code === 'registry' || error.code === 'unauthorized';
  });
}

/** Begins a pull that will not end, and ends it with the test. */
function pullForEver(t: TestContext, agent: AgentImages, reference: string): void {
  const stop = new AbortController();
  const pull = agent.pull(reference, { signal: stop.signal });
  t.after(async () => {
    stop.abort(new Error('the test is over'));
    await pull.catch(() => undefined);
  });
}

describe('hostile registries', { skip: unlessRoot(), timeout: LONGEST_WAIT }, () => {
  it('one that sends nothing holds up no pull from another', async (t) => {
    const [agent, slow, other] = await Promise.all([openAgentImages(t), startRegistry(t), startRegistry(t)]);
    const silent: Answer = (response) => {
      response.writeHead(200);
      response.flushHeaders();
    };
    const tars = Array.from({ length: 12 }, (_, index) => tarOf(`slow${index}`));
    pullForEver(t, agent, slow.putImage('slow', tars, { blobs: tars.map(() => silent) }));
    await waitUntil(
      'it downloads',
      () => slow.requests.filter((each) => each.includes('/blobs/')).length > 3,
    );
    const { image } = await agent.pull(other.putImage('app', [tarOf('x')]));
    assert.equal(image.diffIds.length, 1);
  });

  it('an image that states the layer of another, and does not send it, holds up and breaks no pull of that', async (t) => {
    const [agent, registry] = await Promise.all([openAgentImages(t), startRegistry(t)]);
    const tar = tarOf('shared');
    const begun = Promise.withResolvers<ServerResponse>();
    const lying = registry.putImage('lying', [tar], {
      blobs: [
        (response) => {
          response.writeHead(200);
          response.flushHeaders();
          begun.resolve(response);
        },
      ],
    });
    const lie = agent.pull(lying);
    lie.catch(() => undefined);
    const response = await begun.promise;
    const pull = agent.pull(registry.putImage('app', [tar]));
    assert.equal((await pull).image.diffIds[0], digestOf(tar));
    response.end(Buffer.alloc(1 << 20));
    await refuses(lie, /is longer than the \d+ bytes of its manifest|verification failed|is broken/);
    assert.equal(await agent.layerStore.has(digestOf(tar) as `sha256:${string}`), true);
  });

  it('a configuration has no more entries than a container may have', async (t) => {
    const [agent, registry] = await Promise.all([openAgentImages(t), startRegistry(t)]);
    const many = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, 'v']));
    for (const [config, message] of [
      [{ Labels: many(5000) }, /^image\.config\.Labels has 5000 entries: the maximum is 4096$/],
      [{ Labels: many(200_000) }, /the image configuration has too many values/],
      [{ OnBuild: Array(5000).fill('RUN x') }, /^image\.config\.OnBuild has 5000 entries/],
    ] as const) {
      await refuses(agent.pull(registry.putImage('app', [tarOf('x')], { config })), message);
    }
    assert.deepEqual(await agent.images.list(), []);
  });

  it('a document of too many values is refused before it is parsed', async (t) => {
    const [agent, registry] = await Promise.all([openAgentImages(t), startRegistry(t)]);
    const remote = new RemoteRegistry(agent.registry);
    const signal = t.signal;
    const reference = `${registry.host}/app:1`;
    registry.serve('app/manifests/1', Buffer.from('['.repeat(1_000_000)), MEDIA_TYPES.ociManifest);
    await refuses(agent.pull(reference), /has too many values/);
    await refuses(remote.describe(reference, { signal }), /has too many values/);
    registry.serve('app/tags/list?n=1000', Buffer.from(`{"tags":[${'"a",'.repeat(300_000)}"a"]}`));
    await refuses(remote.tags(reference, { signal }), /list of the tags of .* cannot be read/);
  });

  it('a build cache is an index of few members, which are fetched one after the other', async (t) => {
    const [agent, registry] = await Promise.all([openAgentImages(t), startRegistry(t)]);
    const caches = new RegistryCaches({
      repository: (reference: Parameters<AgentImages['registry']['repository']>[0]) =>
        agent.registry.repository(reference),
      writer: () => assert.fail('nothing is written'),
      send: () => assert.fail('nothing is sent'),
      fetch: () => assert.fail('no layer is fetched'),
    } as unknown as ConstructorParameters<typeof RegistryCaches>[0]);
    const members = Array.from({ length: 101 }, (_, n) => ({
      mediaType: MEDIA_TYPES.ociManifest,
      digest: digestOf(Buffer.from(`${n}`)),
      size: 1,
    }));
    const reference = registry.putManifest('cache', { manifests: members }, MEDIA_TYPES.ociIndex);
    await refuses(
      caches.read(reference, undefined, t.signal),
      /is an index of 101 images: the maximum is 100/,
    );
    assert.equal(registry.requests.filter((each) => each.includes('sha256:')).length, 0);
  });

  it('control characters of a registry reach no terminal', async (t) => {
    const [agent, registry] = await Promise.all([openAgentImages(t), startRegistry(t)]);
    const reference = registry.putImage('app', []);
    const path = '/v2/app/manifests/1';
    const said = async (answer: Answer, at = path) => {
      registry.answers.set(at, answer);
      const error = await agent.pull(reference).then(
        () => assert.fail('it was pulled'),
        (caught: Error) => caught,
      );
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      assert.doesNotMatch(error.message, /[\u0000-\u001f\u007f-\u009f]/);
    };
    await said((response) => {
      response.writeHead(400).end(JSON.stringify({ errors: [{ code: 'X\u001b[2J', message: 'm\u009b2J' }] }));
    });
    await said((response) => {
      response.writeHead(302, { location: 'x:\u009b2J' }).end();
    });
    await said((response) => {
      response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${registry.host}/token"` }).end();
    });
    registry.answers.set('/token', (response) => {
      response.writeHead(401).end(JSON.stringify({ details: 'no\u001b]0;title\u0007' }));
    });
    await said(registry.answers.get(path) as Answer);
  });

  it('endless answers of status 1xx are none', async (t) => {
    const [agent, registry] = await Promise.all([openAgentImages(t), startRegistry(t)]);
    const reference = registry.putImage('app', []);
    registry.answers.set('/v2/app/manifests/1', (response) => {
      const { socket } = response;
      socket?.on('error', () => undefined);
      const more = () => {
        if (socket?.destroyed === false) {
          socket.write('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(100), () => setImmediate(more));
        }
      };
      more();
    });
    await refuses(agent.pull(reference), /too many 1xx informational responses/);
  });
});
