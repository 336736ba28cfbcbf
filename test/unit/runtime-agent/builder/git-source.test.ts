import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { gitSource, refuseChecksum } from '../../../../runtime-agent/builder/execute/copy-step.ts';
import type { CopyOp } from '../../../../runtime-agent/builder/solver/step.ts';

const URL = 'https://host/a.git';

function add(fields: Partial<CopyOp>): CopyOp {
  return {
    kind: 'copy',
    isAdd: true,
    from: { kind: 'context', name: undefined },
    sources: [URL],
    documents: [],
    destination: '/in',
    chown: undefined,
    chmod: undefined,
    link: false,
    parents: false,
    exclude: [],
    checksum: undefined,
    keepGitDir: undefined,
    unpack: undefined,
    ...fields,
  };
}

describe('ADD of a git repository', () => {
  test('the flags say what the address does not', () => {
    const { keepsHistory, checksum } = gitSource(add({ keepGitDir: true, checksum: 'ABC' }), URL);
    assert.deepEqual({ keepsHistory, checksum }, { keepsHistory: true, checksum: 'abc' });
    assert.equal(gitSource(add({}), `${URL}?keep-git-dir=1`).keepsHistory, true);
    assert.equal(gitSource(add({ checksum: 'abc' }), `${URL}?checksum=abc`).checksum, 'abc');
  });

  for (const [what, work, text, message] of [
    ['COPY', add({ isAdd: false }), URL, /source can't be a git ref for COPY/],
    [
      'two answers to one question',
      add({ keepGitDir: false }),
      `${URL}?keep-git-dir`,
      /say different things/,
    ],
    ['two checksums', add({ checksum: 'abc' }), `${URL}?checksum=abd`, /abc and abd .* not the same/],
    [
      'the checksum of a file',
      add({ checksum: `sha256:${'0'.repeat(64)}` }),
      URL,
      /is not a checksum of a git/,
    ],
  ] as const) {
    test(`refused: ${what}`, () => assert.throws(() => gitSource(work, text), { message }));
  }

  test('what has no checksum', () => {
    refuseChecksum(add({ checksum: 'abc' }));
    refuseChecksum(add({ sources: ['file', 'other'] }));
    assert.throws(
      () => refuseChecksum(add({ checksum: 'abc', sources: ['file'] })),
      /requires HTTP\(S\) or Git/,
    );
    assert.throws(() => refuseChecksum(add({ checksum: 'abc', sources: [URL, URL] })), /multiple sources/);
  });
});
