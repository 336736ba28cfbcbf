import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openStepNetwork } from '../../../../runtime-agent/builder/execute/run-step.ts';
import type { ContainerInfo } from '../../../../runtime-agent/containers/container-info.ts';
import type { ContainerNetworks } from '../../../../runtime-agent/networks/container-networks.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

test('a network of a step that fails to open is closed, and its namespace released', async (t) => {
  const undone: string[] = [];
  const networks = {
    open: async () => ({
      namespace: '/proc/1/fd/3',
      files: { hosts: '', resolvConf: '' },
      ready: Promise.reject(new Error('no address is free')),
      release: () => undone.push('release'),
    }),
    close: async () => undone.push('close'),
  } as unknown as ContainerNetworks;
  const container = {
    id: 'step',
    config: { Hostname: 'step' },
    hostConfig: { NetworkMode: 'default' },
  } as unknown as ContainerInfo;
  const network = openStepNetwork(networks, container, await makeTempDir(t, 'step'));
  await assert.rejects(network.opened, /no address/);
  await Promise.all([network.close(), network.close()]);
  assert.deepEqual(undone, ['release', 'close']);
});
