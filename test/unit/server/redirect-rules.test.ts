import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NEVER, parseRedirectRules } from '../../../server/http/redirect-rules.ts';

const docker = { userAgent: 'docker/27.1 go/go1.22', address: '192.168.1.5' };
const skopeo = { userAgent: 'skopeo/1.18', address: '10.0.0.7' };

test('never, always and nothing', () => {
  assert.equal(parseRedirectRules([]), NEVER);
  assert.equal(parseRedirectRules(['never']), NEVER);
  assert.equal(NEVER.includes(docker), false);
  assert.equal(parseRedirectRules(['always']).includes(docker), true);
});

test('one of the rules without ! must hold, where there are such, and none with !', () => {
  for (const [rules, forDocker, forSkopeo] of [
    [['agent:docker/*'], true, false],
    [['agent:DOCKER/*go1.22'], true, false],
    [['agent:docker'], false, false],
    [['!agent:docker/*'], false, true],
    [['network:10.0.0.0/8'], false, true],
    [['agent:docker/*', 'network:10.0.0.0/8'], true, true],
    [['agent:docker/*', '!network:192.168.0.0/16'], false, false],
  ] as const) {
    const parsed = parseRedirectRules(rules);
    assert.deepEqual(
      [parsed.includes(docker), parsed.includes(skopeo)],
      [forDocker, forSkopeo],
      rules.join(),
    );
  }
  assert.equal(
    parseRedirectRules(['network:10.0.0.0/8']).includes({ userAgent: '', address: undefined }),
    false,
  );
});

test('what is no rule is refused', () => {
  for (const rule of ['sometimes', 'agent:', 'network:10.0.0.0/99', 'host:a']) {
    assert.throws(() => parseRedirectRules([rule]), /write/, rule);
  }
  assert.throws(() => parseRedirectRules(['always', 'agent:a']), /"always"/);
});
