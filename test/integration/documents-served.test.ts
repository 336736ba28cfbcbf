import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { sendRequest } from '../support/http-client.ts';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { startRegistryWithAccounts } from '../support/registry-with-accounts.ts';

const DOCS = join(import.meta.dirname, '../../docs');

describe('documents in a registry with accounts', async () => {
  const { url } = await startRegistryWithAccounts({ after });
  const get = (path: string, headers = {}) => sendRequest(url + path, { headers });
  const textOf = async (path: string) => (await get(path)).body.toString();

  test('nobody logs in to read them, and the index leads to each', async () => {
    const seen = new Set<string>();
    const anchors = new Map<string, string>();
    const wanted: string[] = [];
    const visit = async (path: string): Promise<void> => {
      if (seen.has(path)) return;
      seen.add(path);
      const { body, headers, status } = await get(path);
      assert.equal(status, 200, path);
      if (headers['content-type'] === 'image/png') return;
      assert.match(String(headers['content-type']), /^text\/html/);
      const text = body.toString();
      anchors.set(path, text);
      for (const [, link = ''] of text.matchAll(/(?:href|src)="(\/docs\/[^"]*|#[^"]*)"/g)) {
        const [to = '', anchor] = link.startsWith('#') ? [path, link.slice(1)] : link.split('#');
        if (anchor !== undefined && anchor !== 'content') wanted.push(`${to}#${anchor}`);
        await visit(to);
      }
    };
    await visit('/docs/');
    const files = globSync('**/*.{md,png}', { cwd: DOCS }).map(
      (name) => `/docs/${name.replace(/\.md$/, '')}`,
    );
    const paths = files.map((path) => (path === '/docs/README' ? '/docs/' : path));
    assert.deepEqual([...seen].sort(), [...paths, '/docs/deploy', '/docs/security'].sort());
    assert.ok(wanted.length > 5);
    const broken = wanted.filter((link) => {
      const [path = '', anchor] = link.split('#');
      return !anchors.get(path)?.includes(` id="${anchor}"`);
    });
    assert.deepEqual(broken, []);
    assert.equal((await get('/docs')).headers.location, '/docs/');
  });

  test('no link leads to a file that is not served, and no mark is left', async () => {
    const text = await textOf('/docs/tutorials/fleet');
    assert.match(text, /<h1>Apps on your hosts<\/h1>/);
    assert.doesNotMatch(text, /href="[^"]*(?:\.\.|\.md|\.ts)/);
    assert.doesNotMatch(await textOf('/docs/reference/compose'), /<!--|&lt;!--/);
  });

  test('a search finds sections by their words, wherever they stand', async () => {
    const text = await textOf('/docs/?q=COLLECTION+garbage');
    assert.match(text, /<a href="\/docs\/how-to\/operate#garbage-collection">Garbage collection<\/a>/);
    assert.match(text, /<mark>Garbage<\/mark>/);
    assert.match(await textOf('/docs/?q=no-document-has-this'), /No document has “no-document-has-this”/);
    assert.match(await textOf('/docs/?q=%20'), /<a href="\/docs\/how-to\/access">/);
  });

  test('a hostile or long question is a text, and finds at most 40 sections', async () => {
    for (const question of [
      '"><script>alert(1)</script>',
      '(a+)+$',
      '\u202e',
      'İİİ',
      '%',
      'a'.repeat(1999),
    ]) {
      const { body, status } = await get(`/docs/?${new URLSearchParams({ q: question })}`);
      assert.equal(status, 200, question);
      assert.doesNotMatch(body.toString(), /<script>|\u202e/);
    }
    assert.equal((await get(`/docs/?q=${'a'.repeat(2001)}`)).status, 400);
    const zero = await get('/docs/?q=%00');
    assert.equal(zero.status, 400);
    assert.match(zero.body.toString(), /has a NUL character/);
    const common = await textOf(`/docs/?q=${'a+e+i+o+'.repeat(100)}`);
    assert.match(common, /<h2>40 sections<\/h2>/);
  });

  test('no path leads to another file', async () => {
    for (const path of [
      '/docs/../../etc/passwd',
      '/docs/../package.json',
      '/docs/%2e%2e/%2e%2e/etc/passwd',
      '/docs/..%2f..%2fpackage.json',
      '/docs/how-to/../../server/main.ts',
      '/docs//etc/passwd',
      '/docs/README.md',
      '/docs/how-to',
      '/docs/__proto__',
      '/docs/%ff',
      '/docs/how-to/access%00',
    ]) {
      const { body, status } = await get(path, { accept: 'text/html' });
      assert.equal(status, 404, path);
      assert.doesNotMatch(body.toString(), /root:|"dependencies"|import /, path);
    }
  });

  test('what is not there is a page, and documents are only read', async () => {
    const { body, status } = await get('/docs/nothing');
    assert.equal(status, 404);
    assert.match(body.toString(), /There is no document at this address\./);
    for (const method of ['POST', 'PUT', 'DELETE']) {
      for (const path of ['/docs', '/docs/', '/docs/nothing', '/assets/any.css']) {
        const { headers, status } = await sendRequest(url + path, { method });
        assert.deepEqual([status, headers.allow], [405, 'GET, HEAD'], `${method} ${path}`);
      }
    }
  });

  test('HEAD answers what GET does, without the content', async () => {
    for (const path of ['/docs/', '/docs/how-to/access', '/docs/page.png', '/docs/?q=tag']) {
      const head = await sendRequest(url + path, { method: 'HEAD' });
      const whole = await get(path);
      assert.equal(head.status, 200);
      assert.equal(head.body.length, 0);
      assert.equal(head.headers['content-length'], String(whole.body.length));
      assert.equal(head.headers.etag, whole.headers.etag);
    }
  });

  test('browsers keep documents, and ask whether they have changed', async () => {
    for (const path of ['/docs/how-to/access', '/docs/page.png']) {
      const { headers } = await get(path);
      assert.match(String(headers['cache-control']), /no-cache/);
      const again = await get(path, { 'if-none-match': headers.etag });
      assert.equal(again.status, 304, path);
      assert.equal(again.body.length, 0);
      assert.equal((await get(path, { 'if-none-match': '"other"' })).status, 200);
    }
  });
});

test('documents are below the prefix of a registry that is open to all', async (t) => {
  const { url } = await startInProcessRegistry(t, { pathPrefix: '/registry' });
  const { body } = await sendRequest(`${url}/registry/docs/`);
  assert.match(body.toString(), /href="\/registry\/docs\/how-to\/access"/);
  assert.equal((await sendRequest(`${url}/docs/`)).status, 404);
});

test('with --page off there are no documents', async (t) => {
  const { url } = await startInProcessRegistry(t, { page: false });
  const { headers, status } = await sendRequest(`${url}/docs/`, { headers: { accept: 'text/html' } });
  assert.equal(status, 404);
  assert.match(String(headers['content-type']), /json/);
});
