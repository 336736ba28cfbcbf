import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type GitUrl,
  isGitSource,
  isGitUrl,
  parseGitUrl,
} from '../../../../../runtime-agent/builder/context/git/git-url.ts';

const COMMON = {
  ref: undefined,
  folder: '',
  checksum: undefined,
  keepsHistory: undefined,
  takesSubmodules: true,
  transport: 'http',
} as const;

describe('the address of a git repository', () => {
  const cases: readonly (readonly [string, Partial<GitUrl> & Pick<GitUrl, 'remote'>])[] = [
    ['https://host/a/b.git', { remote: 'https://host/a/b.git' }],
    ['https://host/a/b.git#main', { remote: 'https://host/a/b.git', ref: 'main' }],
    [
      'http://host/b.git#feature/x:docker/',
      { remote: 'http://host/b.git', ref: 'feature/x', folder: 'docker' },
    ],
    ['git://host/b#:a/./b', { remote: 'git://host/b', folder: 'a/b', transport: 'git' }],
    ['github.com/a/b#v1.0', { remote: 'https://github.com/a/b', ref: 'v1.0' }],
    ['git@host:a/b.git', { remote: 'git@host:a/b.git', transport: 'ssh' }],
    [
      'git@host:a/b.git?branch=x#:y',
      { remote: 'git@host:a/b.git', transport: 'ssh', ref: 'refs/heads/x', folder: 'y' },
    ],
    ['me@host:b#v1', { remote: 'me@host:b', transport: 'ssh', ref: 'v1' }],
    ['ssh://git@host:22/a#v1', { remote: 'ssh://git@host:22/a', transport: 'ssh', ref: 'v1' }],
    [
      'https://host/b.git?tag=v1&subdir=/docs/',
      { remote: 'https://host/b.git', ref: 'refs/tags/v1', folder: 'docs' },
    ],
    ['https://host/b.git?ref=main#main', { remote: 'https://host/b.git', ref: 'main' }],
    [
      'https://host/b.git?checksum=ABCD12&keep-git-dir&submodules=false',
      { remote: 'https://host/b.git', checksum: 'abcd12', keepsHistory: true, takesSubmodules: false },
    ],
    ['https://host/b.git?commit=abcd12', { remote: 'https://host/b.git', checksum: 'abcd12' }],
    ['https://host/b.git#a%2Fb:c%20d', { remote: 'https://host/b.git', ref: 'a/b', folder: 'c d' }],
  ];
  for (const [text, url] of cases) {
    test(text, () => {
      assert.ok(isGitUrl(text));
      assert.deepEqual(parseGitUrl(text), { ...COMMON, shown: url.remote, ...url });
    });
  }

  test('a password is for git alone', () => {
    const { remote, shown } = parseGitUrl('https://me:secret@host/b.git#main');
    assert.equal(remote, 'https://me:secret@host/b.git');
    assert.equal(shown, 'https://xxxxx@host/b.git');
    assert.throws(
      () => parseGitUrl('https://me:secret@host/b.git?x=1'),
      (error: Error) => !error.message.includes('secret'),
    );
  });

  for (const text of ['https://host/context.tar.gz', 'http://host/Dockerfile', './folder', '-', 'a:b']) {
    test(`${text} is none`, () => assert.ok(!isGitUrl(text)));
  }

  test('what ADD takes for a path of the context', () => assert.ok(!isGitSource('github.com/a/b')));

  for (const [text, message] of [
    ['git://host/b#-x', /"-x" is not a branch/],
    ['git://host/b#a..b', /is not a branch/],
    ['git://host/b?branch=-x%20y', /is not a branch/],
    ['git://host/b#main:../up', /leads out/],
    ['git://host/b?subdir=../up', /leads out/],
    ['git://[/b', /is not the address/],
    ['ssh://-oProxyCommand=x/b', /is not the address/],
    ['https://host/b.git?depth=1', /there is no "depth" in its query, but ref, tag/],
    ['https://host/b.git?ref=a&ref=b', /"ref" is there twice/],
    ['https://host/b.git?ref=', /"ref" has no value/],
    ['https://host/b.git?tag=a&branch=b', /names both refs\/tags\/a and refs\/heads\/b/],
    ['https://host/b.git?ref=a#b', /two things about its ref: "b" and "a"/],
    ['https://host/b.git?subdir=a#:b', /two things about its subdir/],
    ['https://host/b.git?checksum=xyz', /"xyz" is not a checksum/],
    ['https://host/b.git?keep-git-dir=maybe', /neither true nor false/],
  ] as const) {
    test(`refused: ${text}`, () => assert.throws(() => parseGitUrl(text), { code: 'bad-request', message }));
  }
});
