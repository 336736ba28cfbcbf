import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostPlatform } from '../../../../runtime-agent/images/platform.ts';
import { decodePlatform } from '../../../../runtime-agent/images/read-platform.ts';

test('platforms as containerd reads them', () => {
  const { architecture } = hostPlatform();
  for (const [text, expected] of [
    ['linux/amd64', { os: 'linux', architecture: 'amd64' }],
    ['linux', { os: 'linux', architecture }],
    ['windows', { os: 'windows', architecture }],
    ['macos', { os: 'darwin', architecture }],
    ['macOS/arm64', { os: 'darwin', architecture: 'arm64' }],
    ['aarch64', { os: 'linux', architecture: 'arm64' }],
    ['Linux/ARM/7', { os: 'linux', architecture: 'arm', variant: 'v7' }],
    ['linux/foo', { os: 'linux', architecture: 'foo' }],
  ] as const) {
    assert.deepEqual(decodePlatform(text), expected, text);
  }
  for (const text of ['foo', 'a/b/c/d', 'linux/', '/', 'linux/a b', 'x'.repeat(100_000)]) {
    assert.throws(() => decodePlatform(text), { code: 'bad-request', message: /: invalid argument$/ });
  }
  assert.equal(decodePlatform(''), undefined);
});
