import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type Digest, parseDigest } from '../../oci/digest.ts';
import type { RegistryCredentials } from '../../oci/distribution/credentials/registry-credentials.ts';
import { HttpExchange } from '../../oci/distribution/http-exchange.ts';
import { openStoredRegistry } from '../../server/cli/stored-registry.ts';
import { ContentStore } from '../../storage/content-store.ts';
import { emptyReport, importBlob } from '../../storage/import/import-blob.ts';
import { SourceContentError, SourceUnavailableError } from '../../storage/import/import-source.ts';
import { RegistrySource } from '../../storage/import/registry-source.ts';
import { defer } from '../support/cleanup.ts';
import { startScriptedRegistry } from '../support/scripted-registry.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const PASSWORD: RegistryCredentials = { username: 'ada', password: 'secret of ada' };
const REFRESH: RegistryCredentials = { identityToken: 'refresh-token-of-ada' };

const LIMITS = { maxPages: 20, retries: { requestTries: 3, transferTries: 3, maxPause: 50 } };

const digestOf = (content: string | Uint8Array): Digest =>
  parseDigest(`sha256:${createHash('sha256').update(content).digest('hex')}`);

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A stranger's registry, and what it was sent. */
async function hostile(t: TestContext, answer: Answer, credentials: RegistryCredentials = {}) {
  const registry = await startScriptedRegistry(t);
  const secrets: string[] = [];
  registry.intercept = (request, response) => {
    const { authorization } = request.headers;
    if (authorization !== undefined) secrets.push(authorization);
    request.on('data', (chunk: Buffer) => secrets.push(chunk.toString()));
    answer(request, response);
    return true;
  };
  const { host } = registry;
  const exchange = new HttpExchange();
  defer(t, async () => exchange.close());
  const source = new RegistrySource({
    url: new URL(`http://${host}/`),
    exchange,
    credentials: async () => credentials,
    ...LIMITS,
  });
  return { registry, secrets, source, host };
}

async function openTarget(t: TestContext) {
  const registry = await openStoredRegistry({ data: join(await makeTempDir(t), 'data') }, { make: true });
  defer(t, async () => {
    await registry[Symbol.asyncDispose]();
  });
  return { ...registry, content: new ContentStore(registry.catalog, registry.blobs) };
}

async function all<Item>(items: AsyncIterable<Item>): Promise<readonly Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** More than any client here should read. */
const FLOOD = 300 << 20;

/** Writes until the client hangs up, or has taken far too much. */
function writeForEver(response: ServerResponse, chunk: string): void {
  let written = 0;
  const write = () => {
    while (!response.destroyed && written < FLOOD) {
      written += chunk.length;
      if (!response.write(chunk)) break;
    }
    if (written >= FLOOD) response.destroy();
    else if (!response.destroyed) response.once('drain', write);
  };
  write();
}

test('a login goes to nobody that an answer points at', async (t) => {
  const other = await hostile(t, (_, response) => response.end('{"token":"x"}'));
  const elsewhere = `http://${other.host}`;
  const digest = digestOf('manifest');
  const challenge = (response: ServerResponse, realm: string) =>
    response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}",service="x"` }).end();

  for (const status of [301, 302, 307, 308]) {
    const refresh = await hostile(
      t,
      (request, response) => {
        if (request.url?.startsWith('/token'))
          response.writeHead(status, { location: `${elsewhere}/t` }).end();
        else challenge(response, `http://${request.headers.host}/token`);
      },
      REFRESH,
    );
    await assert.rejects(refresh.source.readManifest('a', digest, t.signal), SourceUnavailableError);
    const password = await hostile(
      t,
      (request, response) => {
        if (request.url?.startsWith('/token'))
          response.writeHead(status, { location: `${elsewhere}/t` }).end();
        else if (request.headers.authorization === undefined)
          challenge(response, `http://${request.headers.host}/token`);
        else response.writeHead(status, { location: `${elsewhere}/m` }).end();
      },
      PASSWORD,
    );
    await assert.rejects(password.source.readManifest('a', digest, t.signal));
  }
  assert.deepEqual(other.secrets, []);

  const pages = await hostile(t, (request, response) => {
    const more = request.url?.includes('more') ?? false;
    response.writeHead(200, { link: more ? '' : `<${elsewhere}/v2/a/tags/list?more>; rel="next"` });
    response.end('{"tags":["1"]}');
  });
  assert.deepEqual(await all(pages.source.tags('a', t.signal)), ['1', '1']);
  assert.ok(other.registry.requests.every((line) => !line.includes('tags')));
});

test('lists have an end, whatever their links say', async (t) => {
  let count = 0;
  for (const link of [() => '<?n=1>; rel="next"', () => `<?last=${count++}>; rel="next"`]) {
    const lists = await hostile(t, (_, response) => {
      if (lists.registry.requests.length > 500) return void response.destroy();
      response.writeHead(200, { link: link() });
      response.end('{"tags":["1"],"repositories":["a"],"manifests":[]}');
    });
    await assert.rejects(all(lists.source.tags('a', t.signal)), SourceContentError);
    await assert.rejects(all(lists.source.repositories(t.signal)), SourceContentError);
    await assert.rejects(lists.source.referrers('a', digestOf('x'), t.signal), SourceContentError);
  }
  const endless = await hostile(t, (_, response) => writeForEver(response, ' '.repeat(65536)));
  await assert.rejects(all(endless.source.tags('a', t.signal)), SourceContentError);
  const bomb = gzipSync(Buffer.alloc(64 << 20, ' '));
  const bombs = await hostile(t, (_, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb);
  });
  await assert.rejects(all(bombs.source.tags('a', t.signal)), SourceContentError);
  await assert.rejects(bombs.source.readManifest('a', digestOf('x'), t.signal), SourceContentError);
});

test('a manifest is what its digest says, and no longer than manifests are', async (t) => {
  const digest = digestOf('right');
  for (const answer of [
    (_: IncomingMessage, response: ServerResponse) => response.end('wrong'),
    (_: IncomingMessage, response: ServerResponse) => writeForEver(response, ' '.repeat(65536)),
    (_: IncomingMessage, response: ServerResponse) => response.writeHead(206).end('righ'),
  ]) {
    const { source } = await hostile(t, answer);
    await assert.rejects(source.readManifest('a', digest, t.signal), SourceContentError);
  }
});

test('tokens: too large, none, and refused every time', async (t) => {
  for (const token of ['x'.repeat(10 << 20), '', 'a\r\nb: c']) {
    const { source } = await hostile(t, (request, response) => {
      if (request.url?.startsWith('/token')) response.end(JSON.stringify({ token }));
      else {
        const realm = `http://${request.headers.host}/token`;
        response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}"` }).end();
      }
    });
    await assert.rejects(source.readManifest('a', digestOf('x'), t.signal), SourceUnavailableError);
  }
  const refusing = await hostile(t, (request, response) => {
    if (request.url?.startsWith('/token')) response.end('{"token":"x"}');
    else {
      const realm = `http://${request.headers.host}/token`;
      response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}"` }).end();
    }
  });
  await assert.rejects(refusing.source.readManifest('a', digestOf('x'), t.signal), /status 401/);
  assert.ok(refusing.registry.requests.length < 10, 'it asks a few times');
  for (const realm of ['file:///etc/passwd', 'no URL', 'javascript:x']) {
    const { source } = await hostile(t, (_, response) => {
      response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}"` }).end();
    });
    await assert.rejects(source.readManifest('a', digestOf('x'), t.signal), /no usable token server/);
  }
});

test('an abort takes effect at once during the pause that Retry-After asks for', async (t) => {
  const asked = Promise.withResolvers<void>();
  const { source } = await hostile(t, (_, response) => {
    response.writeHead(429, { 'retry-after': '31536000' }).end();
    asked.resolve();
  });
  const controller = new AbortController();
  const read = source.readManifest('a', digestOf('x'), controller.signal);
  await asked.promise;
  controller.abort(new Error('the person has gone'));
  await assert.rejects(read);
});

test('redirects that go round, and heads that are none', async (t) => {
  const answers: readonly Answer[] = [
    (request: IncomingMessage, response: ServerResponse) =>
      response.writeHead(302, { location: request.url }).end(),
    (_: IncomingMessage, response: ServerResponse) =>
      response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
    (_: IncomingMessage, response: ServerResponse) => {
      response.socket?.end(`HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(10_000)}\r\nbody`);
    },
  ];
  // Each is tried again for a while.
  await Promise.all(
    answers.map(async (answer) => {
      const { source } = await hostile(t, answer);
      await assert.rejects(source.readManifest('a', digestOf('x'), t.signal), SourceUnavailableError);
    }),
  );
  const old = await hostile(t, (_, response) => {
    response.socket?.end('HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\nright');
  });
  const { bytes } = await old.source.readManifest('a', digestOf('right'), t.signal);
  assert.equal(Buffer.from(bytes).toString(), 'right');
});

test('of a blob nothing is stored that is not what was asked for', async (t) => {
  const content = 'the content of a blob';
  const blob = { digest: digestOf(content), size: content.length };
  const half = content.slice(0, 7);
  const cutThen =
    (rest: Answer): Answer =>
    (request, response) => {
      if (request.headers.range !== undefined) rest(request, response);
      else {
        response.writeHead(200, { 'content-length': content.length });
        response.write(half, () => response.destroy());
      }
    };
  for (const [what, answer] of [
    ['no end', (_, response) => writeForEver(response, 'x'.repeat(65536))],
    [
      'no end, with a length',
      (_, response) => {
        response.writeHead(200, { 'content-length': 1e15 });
        writeForEver(response, 'x'.repeat(65536));
      },
    ],
    ['other content', (_, response) => response.end('x'.repeat(content.length))],
    ['less', (_, response) => response.end(half)],
    [
      'another range',
      cutThen((_, response) => {
        response
          .writeHead(206, { 'content-range': `bytes 9-${content.length - 1}/${content.length}` })
          .end(content.slice(9));
      }),
    ],
    [
      'a range of more than there is',
      cutThen((_, response) => {
        response.writeHead(206, { 'content-range': 'bytes 7-999/1000' });
        writeForEver(response, 'x'.repeat(65536));
      }),
    ],
    [
      'a compressed one',
      (_, response) =>
        response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(64 << 20))),
    ],
  ] as const satisfies readonly (readonly [string, Answer])[]) {
    await t.test(what, async (t) => {
      const { source } = await hostile(t, answer);
      const { content: store, blobs, catalog } = await openTarget(t);
      const report = emptyReport();
      await assert.rejects(
        importBlob({ source, catalog, blobs, content: store }, 'a', blob, report, t.signal),
        SourceContentError,
      );
      assert.ok(report.bytes <= content.length, `${report.bytes} bytes were taken`);
      assert.equal(await catalog.blobs.find('a', blob.digest), undefined);
    });
  }
  for (const [what, rest] of [
    [
      'a wrong total',
      (_, response) => {
        response.writeHead(206, { 'content-range': 'bytes 7-20/4' }).end(content.slice(7));
      },
    ],
    [
      'a range that begins too early',
      (_, response) => {
        response.writeHead(206, { 'content-range': 'bytes 3-20/21' }).end(content.slice(3));
      },
    ],
    ['the whole blob', (_, response) => response.end(content)],
  ] as const satisfies readonly (readonly [string, Answer])[]) {
    const { source } = await hostile(t, cutThen(rest));
    const chunks: Uint8Array[] = [];
    for await (const chunk of source.readBlob('a', blob, t.signal)) chunks.push(chunk);
    assert.equal(Buffer.concat(chunks).toString(), content, what);
  }
});
