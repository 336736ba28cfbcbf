import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { startRegistry } from '../support/registry-process.ts';
import { runCommand } from '../support/run-command.ts';
import { setUpSkopeo } from '../support/skopeo.ts';
import { unlessRoot } from '../support/unless-root.ts';

const options = { skip: unlessRoot(), timeout: 900_000 };

test(
  'what umoci makes goes by skopeo through the registry, and umoci unpacks it again',
  options,
  async (t) => {
    const registry = await startRegistry(t);
    const { skopeo, directory } = await setUpSkopeo(t);
    const umoci = (...args: readonly string[]) => runCommand('umoci', args, { cwd: directory });
    await umoci('init', '--layout', 'made');
    await umoci('new', '--image', 'made:1');
    await umoci('insert', '--image', 'made:1', '/etc/debian_version', '/version');
    await umoci(
      'config',
      '--image',
      'made:1',
      '--config.label',
      'org.opencontainers.image.description=made by hand',
    );
    await umoci('tag', '--image', 'made:1', 'latest');
    for (const tag of ['1', 'latest']) {
      await skopeo(['copy', `oci:${directory}/made:${tag}`, `docker://${registry.host}/team/made:${tag}`]);
    }
    const listed = await skopeo(['list-tags', `docker://${registry.host}/team/made`]);
    assert.deepEqual((JSON.parse(listed.stdout) as { Tags: string[] }).Tags, ['1', 'latest']);

    await skopeo(['copy', `docker://${registry.host}/team/made:latest`, `oci:${directory}/back:1`]);
    await umoci('unpack', '--image', 'back:1', 'bundle');
    assert.deepEqual(await readdir(join(directory, 'bundle/rootfs')), ['version']);
    assert.equal(
      await readFile(join(directory, 'bundle/rootfs/version'), 'utf8'),
      await readFile('/etc/debian_version', 'utf8'),
    );
  },
);
