import assert from 'node:assert/strict';
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';

import { AGENT_SETTINGS } from '../../runtime-agent/settings.ts';
import { SETTINGS } from '../../server/config/settings.ts';

const root = dirname(dirname(import.meta.dirname));
const read = (name: string) => readFileSync(join(root, name), 'utf8');

/** Names of tests in code marks, below test/ and without their ending. `…-x` continues the first word of the name before. */
function namedTests(text: string): readonly string[] {
  const names: string[] = [];
  for (const [, name = ''] of text.matchAll(/`((?:[a-z0-9]+\/|…-?)[\w./-]+)`/g)) {
    const last = names.findLast((full) => full.startsWith('integration/')) ?? '';
    names.push(name.startsWith('…-') ? `${last.slice(0, last.indexOf('-'))}${name.slice(1)}` : name);
  }
  return names.filter((name) =>
    /^(?:architecture|conformance|contract|e2e|integration|unit|vm)\//.test(name),
  );
}

function isThere(name: string): boolean {
  return ['', '.ts', '.test.ts'].some((ending) => existsSync(join(root, 'test', `${name}${ending}`)));
}

test('SECURITY.md names tests that exist, and one at least for each attack', () => {
  const text = read('SECURITY.md');
  const names = namedTests(text);
  assert.ok(names.length > 50);
  assert.deepEqual(
    names.filter((name) => !isThere(name)),
    [],
  );
  const attacks = text
    .split('\n## ')
    .filter((section) => /^\|\s*attack\b/m.test(section))
    .flatMap((section) => section.split('\n').filter((line) => /^\| (?!attack|---)/.test(line)));
  assert.ok(attacks.length > 50);
  assert.deepEqual(
    attacks.filter((line) => namedTests(line).length === 0),
    [],
  );
});

test('the documents say what each folder of lib/ owns, and name each architecture test', () => {
  const text = `${read('docs/architecture.md')}${read('CONTRIBUTING.md')}`;
  const folders = readdirSync(join(root, 'lib')).map((name) => `lib/${name}/`);
  const guards = globSync('test/architecture/*.test.ts', { cwd: root }).map(
    (file) => /([\w-]+)\.test\.ts$/.exec(file)?.[1] ?? file,
  );
  assert.deepEqual(
    [...folders, ...guards].filter((name) => !text.includes(`\`${name}\``)),
    [],
  );
});

test('each path that the documents name exists', () => {
  const documents = [
    'README.md',
    'CONTRIBUTING.md',
    'deploy/README.md',
    ...globSync('docs/**/*.md', { cwd: root }),
  ];
  const missing = documents.flatMap((document) => {
    const paths = read(document).matchAll(
      /(?<![\w./-])(?:auth|deploy|docs|lib|oci|runtime-agent|server|storage|test)\/[\w./-]*\w\/?/g,
    );
    return [...paths]
      .filter(([path]) => !existsSync(join(root, path)))
      .map(([path]) => `${document}: ${path}`);
  });
  assert.deepEqual(missing, []);
});

test('docs/README.md has a link to each document, once', () => {
  const documents = globSync('**/*.md', { cwd: join(root, 'docs') }).filter((name) => name !== 'README.md');
  const links = [...read('docs/README.md').matchAll(/\]\(([^)]+)\)/g)].map(([, path = '']) => path);
  assert.deepEqual(links.filter((path) => !path.startsWith('../')).sort(), documents.sort());
});

test('docs/architecture.md names source files by their whole path', () => {
  const short = read('docs/architecture.md').match(/`[\w.-]+\.ts`/g) ?? [];
  assert.deepEqual(short, []);
});

test('the functions and classes that docs/architecture.md names exist', () => {
  const sources = globSync('{auth,lib,oci,runtime-agent,server,storage}/**/*.ts', { cwd: root })
    .map(read)
    .join('');
  const words = new Set(sources.match(/\w+/g));
  const named = [...read('docs/architecture.md').matchAll(/`([A-Za-z]\w*(?:\.\w+)*)`/g)].map(
    ([, name = '']) => name,
  );
  assert.ok(named.length > 10);
  assert.deepEqual(
    named.filter((name) => name !== 'config.json' && !name.split('.').every((word) => words.has(word))),
    [],
  );
});

test('test/support/README.md names each helper, and nothing else', () => {
  const inFolder = (folder: string) =>
    readdirSync(join(root, 'test/support', folder)).map((name) => `${folder}${name}`);
  const helpers = [...inFolder(''), ...inFolder('s3/')].filter((name) => !/^(?:s3|README\.md)$/.test(name));
  const rows = read('test/support/README.md').match(/^\| `.*? \|/gm) ?? [];
  const named = rows.flatMap((row) => [...row.matchAll(/`([\w./-]+?)\/?`/g)].map(([, name = '']) => name));
  assert.deepEqual(named.sort(), helpers.sort());
});

test('the commands and settings that the documents name are those of the programs', () => {
  const variables = new Set([
    ...[...Object.values(SETTINGS), ...Object.values(AGENT_SETTINGS)].map(({ variable }) => variable),
    ...globSync('{server,runtime-agent,deploy,test,lib,oci,auth,storage}/**/*.{ts,sh,yaml,yml,env,service}', {
      cwd: root,
    })
      .flatMap((file) => read(file).match(/BERTH_[A-Z_]+/g) ?? [])
      .map((name) => name.replace(/_FILE$/, '')),
  ]);
  for (const name of [
    'README.md',
    'SECURITY.md',
    'CONTRIBUTING.md',
    'deploy/README.md',
    ...globSync('docs/**/*.md', { cwd: root }),
  ]) {
    const used = (read(name).match(/BERTH_[A-Z_]*[A-Z]/g) ?? []).map((found) => found.replace(/_FILE$/, ''));
    assert.deepEqual(
      used.filter((found) => found !== 'BERTH_AGENT' && !variables.has(found)),
      [],
      name,
    );
  }
});

/** The anchors of a document's headings, as GitHub makes them. */
function anchors(name: string): readonly string[] {
  const headings = read(name)
    .replace(/^```[\s\S]*?^```$/gm, '')
    .matchAll(/^#+ (.+)$/gm);
  return [...headings].map(([, text = '']) =>
    text
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

test('links of documents lead somewhere', () => {
  const documents = [
    'README.md',
    'SECURITY.md',
    'CONTRIBUTING.md',
    'deploy/README.md',
    ...globSync('docs/**/*.md', { cwd: root }),
  ];
  const broken = documents.flatMap((document) => {
    const links = read(document)
      .replace(/^```[\s\S]*?^```$/gm, '')
      .matchAll(/\]\((?!https?:|mailto:)([^)\s#]*)(?:#([^)\s]*))?\)/g);
    return [...links]
      .filter(([, path = '', anchor]) => {
        const target = path ? normalize(join(dirname(document), path)) : document;
        return !existsSync(join(root, target)) || (anchor && !anchors(target).includes(anchor));
      })
      .map(([link]) => `${document}: ${link}`);
  });
  assert.deepEqual(broken, []);
});
