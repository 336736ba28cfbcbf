import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_ENTITLEMENTS, grantedEntitlements } from '../../../../runtime-agent/builder/entitlements.ts';

test('a client is granted what it asks for and the agent allows, nothing else', () => {
  assert.deepEqual([...grantedEntitlements([], DEFAULT_ENTITLEMENTS)], []);
  assert.deepEqual([...grantedEntitlements(['network.host'], DEFAULT_ENTITLEMENTS)], ['network.host']);
  for (const [asked, allowed] of [
    ['security.insecure', DEFAULT_ENTITLEMENTS],
    ['network.host', []],
  ] as const) {
    assert.throws(() => grantedEntitlements([asked], allowed), {
      code: 'bad-request',
      message: `granting entitlement ${asked} is not allowed by build daemon configuration: start berth-agent with --allow-build ${asked}`,
    });
  }
  assert.throws(() => grantedEntitlements(['all'], ['network.host', 'security.insecure']), {
    code: 'bad-request',
    message: 'unknown entitlement all',
  });
});
