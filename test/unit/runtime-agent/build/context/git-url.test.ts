import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isGitUrl, parseGitUrl } from '../../../../../runtime-agent/build/context/git/git-url.ts';

describe('the address of a git repository', () => {
  for (const [text, remote, ref, folder] of [
    ['https://host/a/b.git', 'https://host/a/b.git', undefined, ''],
    ['https://host/a/b.git#main', 'https://host/a/b.git', 'main', ''],
    ['http://host/b.git#feature/x:docker/', 'http://host/b.git', 'feature/x', 'docker'],
    ['git://host/b#:a/./b', 'git://host/b', undefined, 'a/b'],
    ['github.com/a/b#v1.0', 'https://github.com/a/b', 'v1.0', ''],
  ] as const) {
    test(text, () => {
      assert.ok(isGitUrl(text));
      assert.deepEqual(parseGitUrl(text), { remote, ref, folder });
    });
  }

  for (const text of ['https://host/context.tar.gz', 'http://host/Dockerfile', './folder', '-']) {
    test(`${text} is none`, () => assert.ok(!isGitUrl(text)));
  }

  for (const [text, message] of [
    ['git@host:a/b.git', /needs an SSH key/],
    ['ssh://git@host/a', /needs an SSH key/],
    ['git://host/b#-x', /"-x" is no branch/],
    ['git://host/b#a..b', /is no branch/],
    ['git://host/b#main:../up', /leads out/],
    ['git://[/b', /is no address/],
  ] as const) {
    test(`refused: ${text}`, () => assert.throws(() => parseGitUrl(text), { code: 'bad-request', message }));
  }
});
