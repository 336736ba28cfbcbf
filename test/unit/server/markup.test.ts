import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { assetPath, findAsset } from '../../../server/markup/assets.ts';
import { wholeDocument } from '../../../server/markup/document.ts';
import { type Html, html } from '../../../server/markup/html.ts';

const NASTY = `<script>"'&\``;
const ESCAPED = '&#60;script&#62;&#34;&#39;&#38;&#96;';

test('whatever stands in a page is text', () => {
  const made = html`<p title="${NASTY}" class='${NASTY}'>${NASTY}</p>${[html`<b>${1}</b>`, html`<b>2</b>`]}`;
  assert.equal(String(made), `<p title="${ESCAPED}" class='${ESCAPED}'>${ESCAPED}</p><b>1</b><b>2</b>`);
  assert.equal(String(html`${undefined}${false}${''}${0}`), '0');
});

test('nothing that looks like markup is markup', () => {
  for (const value of [{ html: '<b>' }, { toString: () => '<b>' }, null, true, Object.create(html``)]) {
    assert.throws(() => html`<p>${value as unknown as Html}</p>`, TypeError);
  }
  assert.throws(() => html`<p title="${html`<b>`}"></p>`, /markup cannot stand in an attribute/);
});

test('an address leads to this server or to the web', () => {
  const linkTo = (address: string) => /href="([^"]*)"/.exec(String(html`<a href="${address}">x</a>`))?.[1];
  for (const address of ['/a', '/a?b=c', '?b', '#c', '', 'https://example.com/x', 'http://example.com/']) {
    assert.equal(linkTo(address), address);
  }
  for (const address of [
    'javascript:alert(1)',
    'JaVaScRiPt:alert(1)',
    '\u0001javascript:alert(1)',
    ' javascript:alert(1)',
    'java\nscript:alert(1)',
    'data:text/html,<script>',
    'vbscript:x',
    '//evil.example/',
    '/\\evil.example/',
    'https:evil',
    'evil',
  ]) {
    assert.equal(linkTo(address), '#', address);
  }
  // After a path of this server, an address cannot become another one.
  assert.equal(String(html`<a href="/x/${'javascript:'}">`), '<a href="/x/javascript:">');
});

test('a template that no escaping makes safe is refused', () => {
  const value = 'x';
  for (const make of [
    () => html`<p title=${value}></p>`,
    () => html`<${value}>`,
    () => html`<p ${value}></p>`,
    () => html`<p onclick="${value}"></p>`,
    () => html`<p style="${value}"></p>`,
    () => html`<script>${value}</script>`,
    () => html`<style>${value}</style>`,
    () => html`<!-- ${value} -->`,
  ]) {
    assert.throws(make, TypeError, String(make));
  }
  assert.equal(
    String(html`<option value="a"${html` selected`}>a</option>`),
    '<option value="a" selected>a</option>',
  );
});

test('characters that hide or turn others round are shown as what they are not', () => {
  assert.equal(String(html`${'a\u202eb\u0000c\u2066d\u200ee'}`), 'a\ufffdb\ufffdc\ufffdd\ufffde');
  assert.equal(String(html`${'tab\tline\nä'}`), 'tab\tline\nä');
});

test('a page has its stylesheet, module and icon by their content, and nothing inline', async () => {
  const frame = { prefix: '/x', home: '/x/', links: [], who: html``, host: NASTY };
  const page = wholeDocument({ title: NASTY, main: html`<h1>${NASTY}</h1>` }, frame);
  assert.doesNotMatch(page, /<script>|<style|style=| on[a-z]+=/);
  for (const kind of ['css', 'js', 'svg'] as const) {
    assert.ok(page.includes(`"/x${assetPath(kind)}"`), kind);
    const name = assetPath(kind).replace('/assets/', '');
    assert.equal((await findAsset(name))?.content.length, readAsset(kind).length);
  }
  assert.equal(await findAsset('../html.ts'), undefined);
  assert.ok(readAsset('js').length < 10_000);
});

test('one place alone takes markup that html did not make', () => {
  const root = dirname(dirname(dirname(import.meta.dirname)));
  const users = globSync('server/**/*.ts', { cwd: root }).filter((file) =>
    /\bsanitised\(/.test(readFileSync(join(root, file), 'utf8')),
  );
  assert.deepEqual(users.sort(), ['server/markup/html.ts', 'server/page/markdown.ts']);
});

function readAsset(kind: string): Buffer {
  return readFileSync(join(import.meta.dirname, `../../../server/markup/assets/berth.${kind}`));
}
