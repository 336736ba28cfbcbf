import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startAgent } from '../support/agent-process.ts';
import { startCountingProxy } from '../support/counting-proxy.ts';
import { imageFolder } from '../support/image-cache.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { pushLayout } from '../support/push-layout.ts';
import { startRegistry } from '../support/registry-process.ts';
import { makeStackedImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

/** Bytes of manifest, configuration and heads of answers. */
const AROUND = 64 << 10;
const LAYER = 2_000_000;

describe('docker pull of images that share layers', { skip: unlessRoot(), timeout: 3_600_000 }, () => {
  it('brings only the new one of six layers over the wire', async (t) => {
    const folder = await imageFolder(t);
    const registry = await startRegistry(t);
    const proxy = await startCountingProxy(t, Number(registry.host.split(':')[1]));
    const shared = ['one', 'two', 'three', 'four'];
    const older = await makeStackedImage(folder, [...shared, 'old'], LAYER);
    const newer = await makeStackedImage(folder, [...shared, 'new'], LAYER);
    await pushLayout(older, `${registry.host}/team/app:1`);
    await pushLayout(newer, `${registry.host}/team/app:2`);
    const { docker } = await startAgent(t);
    const pull = async (tag: string) => {
      const before = proxy.answered();
      const { stdout } = await docker(['pull', `${proxy.host}/team/app:${tag}`]);
      return { bytes: proxy.answered() - before, stdout };
    };

    const first = await pull('1');
    assert.ok(first.bytes > 5 * LAYER, `${first.bytes} bytes for all layers`);
    assert.equal(first.stdout.match(/: Pull complete$/gm)?.length, 6);

    const second = await pull('2');
    assert.equal(second.stdout.match(/: Already exists$/gm)?.length, 5, second.stdout);
    assert.equal(second.stdout.match(/: Pull complete$/gm)?.length, 1, second.stdout);
    assert.ok(second.bytes > LAYER, `${second.bytes} bytes for the new layer`);
    assert.ok(second.bytes < LAYER + AROUND, `${second.bytes} bytes for the new layer`);
    const { stdout } = await docker(['run', '--rm', `${proxy.host}/team/app:2`, 'wc', '-c', '/one', '/new']);
    assert.match(stdout, /^\s*4000000 total$/m);

    const again = await pull('2');
    assert.ok(again.bytes < AROUND, `${again.bytes} bytes for an image that is here`);
  });
});
