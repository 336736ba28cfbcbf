import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { type EngineErrorCode, isEngineError } from '../../runtime-agent/errors.ts';
import { type AgentImages, openAgentImages, type PullSettings } from '../support/agent-images.ts';
import { defer } from '../support/cleanup.ts';
import { imageFolder } from '../support/image-cache.ts';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { readBlob, readManifest } from '../support/oci-layout.ts';
import { pushLayout } from '../support/push-layout.ts';
import { type ScriptedRegistry, startScriptedRegistry } from '../support/scripted-registry.ts';
import type { TestImage } from '../support/test-image.ts';
import { makeBigImage, makeBusyboxImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';

describe('images of the agent: what registries do', { skip: unlessRoot() }, () => {
  it('goes on by Range where a connection was cut, without a byte twice', async (t) => {
    const { agent, registry, reference, big } = await begin(t);
    const bytes = await readBlob(big.layout, await lastLayer(big));
    const starts: number[] = [];
    onBlob(registry, await lastLayer(big), (request, response) => {
      const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
      starts.push(start);
      if (starts.length > 3) return false;
      response.writeHead(start === 0 ? 200 : 206, {
        'content-length': bytes.length - start,
        'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}`,
      });
      response.write(bytes.subarray(start, start + 400_000), () => response.socket?.destroy());
      return true;
    });
    const { image } = await agent.pull(reference);
    assert.equal(image.diffIds.length, 2);
    assert.equal(starts.length, 4);
    assert.equal(starts[0], 0);
    assert.ok(
      starts.every((start, index) => index === 0 || start > (starts[index - 1] ?? 0)),
      `${starts}`,
    );
  });

  it('begins anew where a registry knows no ranges', async (t) => {
    const { agent, registry, reference, big } = await begin(t);
    const digest = await lastLayer(big);
    const bytes = await readBlob(big.layout, digest);
    let tries = 0;
    onBlob(registry, digest, (_, response) => {
      tries++;
      response.writeHead(200, { 'content-length': bytes.length });
      if (tries === 1) response.write(bytes.subarray(0, 400_000), () => response.socket?.destroy());
      else response.end(bytes);
      return true;
    });
    await agent.pull(reference);
    assert.equal(tries, 2);
  });

  it('tries again after 503 and 429, and gives up at last with what was said', async (t) => {
    const { agent, registry, reference } = await begin(t);
    let failures = 0;
    const busy = (times: number) => {
      failures = 0;
      registry.intercept = (request, response) => {
        if (!request.url?.includes('/manifests/') || failures >= times) return false;
        failures++;
        const code = failures % 2 === 0 ? 'TOOMANYREQUESTS' : 'UNAVAILABLE';
        response.writeHead(failures % 2 === 0 ? 429 : 503, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ errors: [{ code, message: 'come back later' }] }));
        return true;
      };
    };
    busy(2);
    await agent.pull(reference);
    busy(Number.POSITIVE_INFINITY);
    await fails(
      agent,
      reference,
      'registry',
      /^Get "http:\/\/127.*\/manifests\/big.*: toomanyrequests: come back later$/,
    );
    assert.equal(failures, 4);
  });

  it('follows redirects of blobs, and tells the other host no credentials', async (t) => {
    const { agent, registry, reference, big } = await begin(t);
    const digest = await lastLayer(big);
    const bytes = await readBlob(big.layout, digest);
    const seen: IncomingMessage[] = [];
    const other = await startServer(t, (request, response) => {
      seen.push(request);
      response.end(bytes);
    });
    registry.intercept = (request, response) => {
      if (request.headers.authorization === undefined) {
        response.writeHead(401, { 'www-authenticate': 'Basic realm="here"' }).end();
        return true;
      }
      if (!request.url?.endsWith(digest)) return false;
      response.writeHead(307, { location: `http://${other}/there?signed=1` }).end();
      return true;
    };
    await agent.pull(reference, { credentials: { username: 'user', password: 'secret' } });
    assert.deepEqual(
      seen.map((request) => [request.url, request.headers.authorization]),
      [['/there?signed=1', undefined]],
    );
  });

  it('stops at a redirect that goes in circles', async (t) => {
    const { agent, registry, reference, big } = await begin(t);
    onBlob(registry, await lastLayer(big), (request, response) => {
      response.writeHead(307, { location: request.url ?? '' }).end();
      return true;
    });
    await fails(agent, reference, 'registry', /the registry redirects more than 5 times/);
  });

  it('fetches tokens from the server that the registry names, and a new one when it has run out', async (t) => {
    const { agent, registry, reference } = await begin(t);
    const asked: URL[] = [];
    const authorizations: (string | undefined)[] = [];
    const tokens = await startServer(t, (request, response) => {
      asked.push(new URL(request.url ?? '', 'http://tokens'));
      authorizations.push(request.headers.authorization);
      response.end(JSON.stringify({ token: `token-${asked.length}`, expires_in: 300 }));
    });
    const uses = new Map<string, number>();
    registry.intercept = (request, response) => {
      const token = /^Bearer (token-\d+)$/.exec(request.headers.authorization ?? '')?.[1];
      const used = uses.get(token ?? '') ?? 0;
      if (token !== undefined && used < 2) {
        uses.set(token, used + 1);
        return false;
      }
      response
        .writeHead(401, {
          'www-authenticate': `Bearer realm="http://${tokens}/token",service="reg, \\"istry\\""`,
        })
        .end();
      return true;
    };
    await agent.pull(reference, { credentials: { username: 'user', password: 'pä ss' } });
    assert.ok(asked.length >= 2);
    assert.equal(asked[0]?.searchParams.get('scope'), 'repository:team/app:pull');
    assert.equal(asked[0]?.searchParams.get('service'), 'reg, "istry"');
    assert.equal(authorizations[0], `Basic ${Buffer.from('user:pä ss').toString('base64')}`);
  });

  it('logs in to Berth itself, and says what is wrong with a login', async (t) => {
    const registry = await startInProcessRegistry(t, {
      auth: 'accounts',
      adminPassword: 'correct horse battery',
    });
    const { host } = new URL(registry.url);
    const made = await makeBusyboxImage(await imageFolder(t));
    await pushLayout(made, `${host}/team/app:1`, { name: 'admin', password: 'correct horse battery' });
    const agent = await openAgentImages(t);
    const reference = `${host}/team/app:1`;
    await fails(agent, reference, 'unauthorized', /unauthorized: log in to pull from /);
    await fails(agent, reference, 'unauthorized', /unauthorized: /, {
      credentials: { username: 'admin', password: 'wrong' },
    });
    const credentials = { username: 'admin', password: 'correct horse battery' };
    const { image } = await agent.pull(reference, { credentials });
    assert.equal(image.manifestDigest, made.digest);
    await agent.registry.checkLogin(host, credentials, t.signal);
    await agent.registry.checkLogin(`http://${host}/v1/`, credentials, t.signal);
    await assert.rejects(
      agent.registry.checkLogin(host, { username: 'admin', password: 'wrong' }, t.signal),
      (error) => isEngineError(error) && error.code === 'unauthorized',
    );
  });

  it('words absence and refusal as docker does', async (t) => {
    const { agent, registry } = await begin(t);
    const { host } = registry;
    const app = `${host}/team/app`;
    await fails(
      agent,
      `${app}:none`,
      'not-found',
      new RegExp(`^manifest for ${app}:none not found: manifest unknown: manifest unknown$`),
    );
    const refuse = (status: number, code: string, message: string) => {
      registry.intercept = (request, response) => {
        if (request.url === '/v2/') return false;
        response
          .writeHead(status, { 'x-request-id': 'their-7' })
          .end(JSON.stringify({ errors: [{ code, message }] }));
        return true;
      };
    };
    refuse(403, 'DENIED', 'requested access to the resource is denied');
    await fails(
      agent,
      app,
      'not-found',
      new RegExp(
        `^pull access denied for ${app}, repository does not exist or may require 'docker login': denied: requested access to the resource is denied$`,
      ),
    );
    refuse(404, 'NAME_UNKNOWN', 'repository name not known to registry');
    await fails(agent, app, 'not-found', new RegExp(`^repository ${app} not found: name unknown: `));
    refuse(404, '', '');
    await fails(agent, app, 'not-found', /: unexpected status 404$/);
    refuse(500, 'UNKNOWN', '\u001b[31mred\nlines');
    await fails(
      agent,
      app,
      'registry',
      /: unknown: {2}\[31mred lines \(the registry's log has more: request ID their-7\)$/,
    );
  });

  it('says why a registry cannot be reached', async (t) => {
    const agent = await openAgentImages(t);
    const closed = await startServer(t, () => undefined);
    const port = Number(closed.split(':')[1]);
    await fails(agent, '127.0.0.1:1/a', 'registry', /dial tcp 127\.0\.0\.1:1: connect: connection refused$/);
    await fails(agent, `nowhere.invalid:${port}/a`, 'registry', /lookup nowhere\.invalid: no such host$/);
    await fails(agent, 'a/UPPER', 'bad-request', /invalid reference format|must be lowercase/);
    await fails(agent, '127.0.0.1:1/../a', 'bad-request', /invalid reference format/);
  });
});

describe('images of the agent: several pulls at once', { skip: unlessRoot() }, () => {
  it('fetches a layer once for pulls of one image and of images that share it', async (t) => {
    const folder = await imageFolder(t);
    const [small, big] = [await makeBusyboxImage(folder), await makeBigImage(folder, 300_000)];
    const registry = await startScriptedRegistry(t, small, big);
    const agent = await openAgentImages(t);
    const pulled = await Promise.all(
      [small, small, big, big, big].map(({ refName }) => agent.pull(`${registry.host}/team/app:${refName}`)),
    );
    for (const { steps } of pulled) assert.equal(steps.at(-1)?.kind, 'status');
    for (const made of [small, big]) {
      const { layers = [] } = await readManifest(made.layout, made.digest);
      for (const { digest } of layers) {
        const fetched = registry.requests.filter((request) => request.endsWith(`/blobs/${digest}`));
        assert.equal(fetched.length, 1, digest);
      }
    }
  });

  it('goes on for the others when one gives up, and stops with the last', async (t) => {
    const { agent, registry, reference, big } = await begin(t);
    const digest = await lastLayer(big);
    const bytes = await readBlob(big.layout, digest);
    let release = (): void => undefined;
    let hungUp = false;
    const reached = Promise.withResolvers<void>();
    onBlob(registry, digest, (request, response) => {
      response.writeHead(200, { 'content-length': bytes.length });
      response.write(bytes.subarray(0, 400_000), () => reached.resolve());
      response.once('close', () => {
        hungUp = !response.writableEnded;
      });
      release = () => response.end(bytes.subarray(400_000));
      return request.method === 'GET';
    });
    const one = new AbortController();
    const two = new AbortController();
    const first = agent.pull(reference, { signal: one.signal });
    const second = agent.pull(reference, { signal: two.signal });
    await reached.promise;
    one.abort(new Error('the first has gone'));
    await assert.rejects(first, /the first has gone/);
    release();
    assert.equal((await second).image.diffIds.length, 2);
    assert.equal(hungUp, false);
  });

  it('leaves nothing to see when it is given up, and the same pull then succeeds', async (t) => {
    const { agent, registry, reference, big } = await begin(t);
    const digest = await lastLayer(big);
    const bytes = await readBlob(big.layout, digest);
    const hungUp = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    onBlob(registry, digest, (_, response) => {
      response.writeHead(200, { 'content-length': bytes.length });
      response.write(bytes.subarray(0, 400_000), () => reached.resolve());
      response.once('close', () => hungUp.resolve());
      return true;
    });
    const controller = new AbortController();
    const pull = agent.pull(reference, { signal: controller.signal });
    await reached.promise;
    controller.abort(new Error('the client has gone'));
    await assert.rejects(pull, /the client has gone/);
    await hungUp.promise;
    assert.deepEqual(await agent.images.list(), []);
    registry.intercept = () => false;
    const { image } = await agent.pull(reference);
    assert.equal((await agent.layerStore.list()).length, image.diffIds.length);
    // What the first try had brought whole is not fetched again, and nothing is left over.
    const next = await agent.restart();
    assert.equal((await next.layerStore.list()).length, image.diffIds.length);
  });
});

async function begin(t: TestContext) {
  const big = await makeBigImage(await imageFolder(t), 3_000_000);
  const registry = await startScriptedRegistry(t, big);
  const agent = await openAgentImages(t);
  return { big, registry, agent, reference: `${registry.host}/team/app:${big.refName}` };
}

async function lastLayer(image: TestImage): Promise<string> {
  const { layers = [] } = await readManifest(image.layout, image.digest);
  return layers.at(-1)?.digest ?? '';
}

function onBlob(
  registry: ScriptedRegistry,
  digest: string,
  answer: (request: IncomingMessage, response: ServerResponse) => boolean,
): void {
  registry.intercept = (request, response) =>
    request.url?.endsWith(`/blobs/${digest}`) === true && answer(request, response);
}

/** A server on a free port, `127.0.0.1:PORT`. */
async function startServer(
  t: TestContext,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  defer(t, async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function fails(
  agent: AgentImages,
  reference: string,
  code: EngineErrorCode,
  message: RegExp,
  options: PullSettings = {},
): Promise<void> {
  await assert.rejects(agent.pull(reference, options), (error) => {
    assert.ok(isEngineError(error), String(error));
    assert.match(error.message, message);
    assert.equal(error.code, code);
    return true;
  });
}
