import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { parseDigest } from '../../../../oci/digest.ts';
import { HttpExchange } from '../../../../oci/distribution/http-exchange.ts';
import { RegistryRepository } from '../../../../oci/distribution/registry-repository.ts';
import { RegistrySession } from '../../../../oci/distribution/registry-session.ts';
import { defer } from '../../../support/cleanup.ts';

interface Page {
  readonly body: object;
  readonly link?: string;
}

/** A repository `a` of a registry below `/base/` that answers lists so. */
async function repositoryOf(t: TestContext, answer: (path: string) => Page): Promise<RegistryRepository> {
  const server = createServer((request, response) => {
    const { body, link } = request.url === '/base/v2/' ? { body: {} } : answer(request.url ?? '');
    if (link !== undefined) response.setHeader('link', link);
    response.end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const exchange = new HttpExchange();
  defer(t, async () => {
    exchange.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const address = { host, schemes: ['http'], basePath: '/base/', verifyCertificate: true } as const;
  const session = new RegistrySession({ exchange, address, credentials: async () => ({}), scopes: [] });
  return new RegistryRepository({ session, repository: 'a', familiarName: 'a' });
}

test('tags are listed page after page, at the registry whatever host a link names', async (t) => {
  const paths: string[] = [];
  const repository = await repositoryOf(t, (path) => {
    paths.push(path);
    if (path.endsWith('next_page=x')) return { body: { tags: ['c'] } };
    if (path.endsWith('last=b%26')) {
      return { body: { tags: [] }, link: '</base/v2/a/tags/list?next_page=x>; rel="next"' };
    }
    return {
      body: { tags: ['a', 'b'] },
      link: '<https://internal.lan/base/v2/a/tags/list?n=2&last=b%26>; rel="next"',
    };
  });
  assert.deepEqual(await Array.fromAsync(repository.tags(t.signal)), ['a', 'b', 'c']);
  assert.deepEqual(paths, [
    '/base/v2/a/tags/list?n=1000',
    '/base/v2/a/tags/list?n=2&last=b%26',
    '/base/v2/a/tags/list?next_page=x',
  ]);
});

test('a link never leads to another host with the login of this one', async (t) => {
  const repository = await repositoryOf(t, (path) =>
    path.startsWith('/base/')
      ? { body: { tags: [] }, link: '<//x.lan//y>; rel=next' }
      : { body: { tags: ['z'] } },
  );
  assert.deepEqual(await Array.fromAsync(repository.tags(t.signal)), ['z']);
});

test('a list without an end is refused', async (t) => {
  const tags = Array.from({ length: 30_000 }, (_, index) => `${index}`.padStart(500, 'x'));
  let page = 0;
  const endless = await repositoryOf(t, () => ({ body: { tags }, link: `<?last=${page++}>; rel=next` }));
  await assert.rejects(Array.fromAsync(endless.tags(t.signal)), /list of the tags of a has no end/);
  assert.ok(page < 10, `${page} pages were requested`);
});

test('referrers are listed; entries without a digest are skipped', async (t) => {
  const digest = parseDigest(`sha256:${'a'.repeat(64)}`);
  const repository = await repositoryOf(t, () => ({
    body: { manifests: [{ digest }, {}, 1, { digest: 'x' }] },
  }));
  assert.deepEqual(await Array.fromAsync(repository.referrers(digest, t.signal)), [digest]);
});
