import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseCheckOptions } from '../../../../runtime-agent/builder/frontend/directives.ts';
import { lintDockerfile } from '../../../../runtime-agent/builder/frontend/lint/lint-dockerfile.ts';
import { parseDockerfile } from '../../../../runtime-agent/builder/frontend/parse-dockerfile.ts';

function found(content: string, options = ''): readonly string[] {
  const dockerfile = parseDockerfile('Dockerfile', content);
  const findings = lintDockerfile(dockerfile, parseCheckOptions(options));
  return findings.map(({ rule, at }) => `${rule} ${at.line}`);
}

describe('the checks of a Dockerfile', () => {
  for (const [content, expected] of [
    ['FROM a AS b\nRUN x\nCMD ["x"]', []],
    ['FROM a\nRUN x\nrun y', ['ConsistentInstructionCasing 3']],
    ['from a\nrun x', []],
    ['FROM a as b', ['FromAsCasing 1']],
    ['from a as b', []],
    ['FROM a AS Big', ['StageNameCasing 1']],
    ['FROM a AS scratch', ['ReservedStageName 1']],
    ['FROM a\nMAINTAINER me', ['MaintainerDeprecated 2']],
    ['FROM a\nCMD ["x"]\nCMD ["y"]', ['MultipleInstructionsDisallowed 2']],
    ['FROM a\nCMD x', ['JSONArgsRecommended 2']],
    ['FROM a\nSHELL ["x"]\nCMD x', []],
    ['FROM a\nWORKDIR b', ['WorkdirRelativePath 2']],
    ['FROM a\nWORKDIR /b\nWORKDIR c', []],
    ['FROM a\nARG API_KEY\nENV PASSWORD=x', ['SecretsUsedInArgOrEnv 2', 'SecretsUsedInArgOrEnv 3']],
  ] as const) {
    test(JSON.stringify(content), () => assert.deepEqual(found(content), expected));
  }

  test('rules are skipped by name, or all', () => {
    const content = 'FROM a as Big\nCMD x';
    assert.deepEqual(found(content, 'skip=FromAsCasing, JSONArgsRecommended'), ['StageNameCasing 1']);
    assert.deepEqual(found(content, 'skip=all'), []);
  });

  test('options that are none are refused', () => {
    assert.throws(() => parseDockerfile('Dockerfile', '# check=foo=bar\nFROM a'), {
      code: 'bad-request',
      message: /^Dockerfile:1: invalid check option "foo": there are skip and error/,
    });
    assert.throws(() => parseCheckOptions('error=maybe'), /it is true or false/);
    assert.equal(parseCheckOptions('skip=all;error=true').failsBuild, true);
  });
});
