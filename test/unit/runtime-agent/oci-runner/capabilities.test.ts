import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  capabilityNames,
  containerCapabilities,
  DEFAULT_CAPABILITIES,
} from '../../../../runtime-agent/oci-runner/capabilities.ts';

const ALL = capabilityNames((1n << 41n) - 1n);

describe('containerCapabilities', () => {
  const make = (add: readonly string[], drop: readonly string[], privileged = false, available = ALL) =>
    [...containerCapabilities({ add, drop, privileged }, available)].sort();

  it('gives the 14 default ones, whose bits are a80425fb', () => {
    assert.deepEqual(make([], []), [...DEFAULT_CAPABILITIES].sort());
    assert.deepEqual([...capabilityNames(0xa80425fbn)].sort(), [...DEFAULT_CAPABILITIES].sort());
  });

  it('adds, drops, and does both', () => {
    assert.deepEqual(make(['NET_ADMIN'], ['ALL']), ['CAP_NET_ADMIN']);
    assert.equal(make(['ALL'], []).length, 41);
    assert.deepEqual(make(['ALL'], ['sys_admin']), ALL.filter((name) => name !== 'CAP_SYS_ADMIN').sort());
    assert.equal(make([], ['cap_mknod']).length, 13);
    assert.deepEqual(make(['CHOWN', 'CAP_CHOWN'], ['ALL']), ['CAP_CHOWN']);
  });

  it('hands on no more than the agent has', () => {
    const available = ALL.filter((name) => name !== 'CAP_SYS_RESOURCE' && name !== 'CAP_MKNOD');
    assert.deepEqual(make([], [], true, available), [...available].sort());
    assert.deepEqual(make(['ALL'], [], false, available), [...available].sort());
    assert.equal(make([], [], false, available).length, 13);
    assert.throws(() => make(['SYS_RESOURCE'], [], false, available), {
      code: 'bad-request',
      message: /CAP_SYS_RESOURCE cannot be added/,
    });
  });

  it('refuses what is no capability', () => {
    for (const name of ['', 'NOSUCH', 'CAP_', 'CAP_ALL']) {
      assert.throws(() => make([name], []), { code: 'bad-request' }, name);
      assert.throws(() => make([], [name]), { code: 'bad-request' }, name);
    }
  });
});
