import assert from 'node:assert/strict';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { findRunFolder, runPaths, sharedPaths } from '../../../../runtime-agent/oci-runner/run-paths.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

const ID = 'a'.repeat(64);

test('containers that an older agent has started keep their files in the data folder until they are gone', async (t) => {
  const dataDirectory = await makeTempDir(t, 'data');
  assert.equal(await findRunFolder(dataDirectory, '/run/agent'), '/run/agent');
  await mkdir(join(dataDirectory, 'runtime', ID), { recursive: true });
  const runDirectory = await findRunFolder(dataDirectory, '/run/agent');
  assert.equal(runDirectory, dataDirectory);
  const paths = runPaths(sharedPaths({ dataDirectory, runDirectory }), ID);
  assert.equal(paths.bundle, join(dataDirectory, 'containers', ID, 'bundle'));
  assert.equal(paths.exitFile, join(dataDirectory, 'exits', ID));
  await rm(join(dataDirectory, 'runtime', ID), { recursive: true });
  assert.equal(await findRunFolder(dataDirectory, '/run/agent'), '/run/agent');
});
