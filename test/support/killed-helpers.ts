import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { runDirectory } from '../../runtime-agent/cli/run-directory.ts';
import { startAgent } from './agent-process.ts';
import type { CleanupScope } from './cleanup.ts';
import { eventually } from './eventually.ts';
import { type HostRemains, hostRemains } from './host-remains.ts';
import { imageFolder } from './image-cache.ts';
import { pushLayout } from './push-layout.ts';
import { startRegistry } from './registry-process.ts';
import { makeTempDir } from './temp-dir.ts';
import { makeBusyboxImage } from './test-images.ts';
import { untilPasses } from './until-passes.ts';

/** By the call of the runtime in which it happens; `$REAL` is the runtime, `$PPID` the supervisor in a create. */
const DEATHS: readonly { readonly what: string; readonly during: string; readonly script: string }[] = [
  { what: 'the runtime, before it creates', during: 'create', script: 'kill -9 $$' },
  { what: 'the runtime, after it has created', during: 'create', script: '"$REAL" "$@"; kill -9 $$' },
  {
    what: 'the runtime, in the middle of its work',
    during: 'create',
    script: '"$REAL" "$@" & sleep 0.005; kill -9 $!; kill -9 $$',
  },
  {
    what: 'the supervisor, before the runtime creates',
    during: 'create',
    script: 'kill -9 $PPID; exec "$REAL" "$@"',
  },
  {
    what: 'the supervisor, while the runtime still waits',
    during: 'create',
    script: 'kill -9 $PPID; sleep 0.3; exec "$REAL" "$@"',
  },
  {
    what: 'the supervisor, after the runtime has created',
    during: 'create',
    script: '"$REAL" "$@"; kill -9 $PPID',
  },
  { what: 'the runtime, before it starts', during: 'start', script: 'kill -9 $$' },
  { what: 'the runtime, after it has started', during: 'start', script: '"$REAL" "$@"; kill -9 $$' },
];

/** Either is taken when the other cannot be used. */
const OTHERS = { crun: 'runc', runc: 'crun' } as const;
const PATHS = { crun: '/usr/bin/crun', runc: '/usr/sbin/runc' } as const;

/** The tests of what is killed in the middle of a start by `runtime`, in a network of their own. */
export async function testKilledHelpers(name: 'crun' | 'runc', scope: CleanupScope): Promise<void> {
  const registry = await startRegistry(scope);
  const image = `${registry.host}/team/busybox:1`;
  await pushLayout(await makeBusyboxImage(await imageFolder(scope)), image);
  const programs = await makeTempDir(scope, 'programs');
  const plan = join(programs, 'plan');
  // Stands in for the runtime: what `plan` says is done once, in the call that it is for.
  const wrapper = `#!/bin/sh
REAL=${PATHS[name]}
call=$(for word; do case $word in create | start) echo "$word"; break;; esac; done)
if [ -n "$call" ] && mv "${plan}/$call" "${plan}/$call.$$" 2>/dev/null; then . "${plan}/$call.$$"; exit; fi
exec "$REAL" "$@"
`;
  await mkdir(plan);
  await writeFile(join(programs, name), wrapper);
  await chmod(join(programs, name), 0o755);
  await symlink('/bin/false', join(programs, OTHERS[name]));
  const agent = await startAgent(scope, { enter: ['env', `PATH=${programs}:${process.env.PATH}`] });
  const { docker } = agent;
  assert.match((await docker(['info', '--format', '{{.DefaultRuntime}}'])).stdout, new RegExp(name));
  await docker(['pull', '--quiet', image]);
  const ids = new Set<string>();
  const remains = async (): Promise<Omit<HostRemains, 'descriptors'>> => {
    const { descriptors: _, ...rest } = await hostRemains(agent, ids);
    return rest;
  };
  await docker(['run', '--rm', '--publish', '0:80', image, 'true']);
  // What a container that has ended still has goes in its own time.
  const before = await eventually('nothing is left of the first container', async () => {
    const now = await remains();
    const isIdle = now.processes.length === 0 && !now.links.some((link) => link.startsWith('veth'));
    return isIdle && !now.files.some((file) => file.includes('.removed-')) ? now : undefined;
  });

  for (const { what, during, script } of DEATHS) {
    test(what, async () => {
      await writeFile(join(plan, during), script);
      const run = ['run', '--detach', '--name', 'hit', '--publish', '0:80', image, 'sleep', '100000'];
      const { exitCode, stderr } = await docker(run, { expectExit: 'any' });
      await assert.rejects(rm(join(plan, during)), { code: 'ENOENT' }, 'it was not killed');
      const [id = '', running] = (
        await docker(['inspect', '--format', '{{.Id}} {{.State.Running}}', 'hit'])
      ).stdout
        .trim()
        .split(' ');
      ids.add(id);
      assert.equal(running, String(exitCode === 0), stderr);
      if (exitCode !== 0) {
        assert.match(stderr, /Error response from daemon: \w/);
        // Nothing of the attempt is in the way of the next one.
        await docker(['start', 'hit']);
      }
      await docker(['exec', 'hit', 'true']);
      await docker(['rm', '--force', 'hit']);
      await untilPasses(async () => assert.deepEqual(await remains(), before));
    });
  }

  test('the supervisor of a container that runs: that ends, and can be started again', async () => {
    const run = ['run', '--detach', '--name', 'hit', '--publish', '0:80', image, 'sleep', '100000'];
    const id = (await docker(run)).stdout.trim();
    ids.add(id);
    const supervisor = await readFile(
      join(runDirectory(agent.dataDir), 'runs', id, 'bundle/conmon.pid'),
      'latin1',
    );
    process.kill(Number(supervisor), 'SIGKILL');
    assert.equal((await docker(['wait', 'hit'])).stdout, '137\n');
    await docker(['start', 'hit']);
    await docker(['exec', 'hit', 'true']);
    await docker(['rm', '--force', 'hit']);
  });
}
