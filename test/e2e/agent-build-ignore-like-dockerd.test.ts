import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { startAgent } from '../support/agent-process.ts';
import { makeBuildContext } from '../support/build-context.ts';
import type { Docker } from '../support/docker-cli.ts';
import { startDockerd } from '../support/dockerd.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { fc } from '../support/properties.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

/** Ignore files that are tried; more are for runs by hand. */
const CASES = Number(process.env.BERTH_IGNORE_CASES ?? 12);

const NAMES = [
  ...['a.tar', 'b', 'tar', 'xtar', '.tar', '1.tar', '^a', 'a|b', '{a}', 'a+', '[a]', '\\a', 'é', 'a b', '#a'],
  ...['d/a.tar', 'd/e/a.tar', 'x/y', 'd1/z'],
];
const PARTS = [
  ...['a', 'b', 'd', 'tar', '.', '/', '*', '**', '**/', '?', '[a-d]', '[^a]', '[[:alpha:]]', '[*]', '[d-a]'],
  ...['\\a', '\\d', '\\w', '\\.', '\\*', '^', '$', '|', '+', '(', '{1,2}', 'é', ' ', 'a.tar', '.tar', '..'],
];

const line = fc
  .tuple(
    fc.constantFrom('', '', '', '!'),
    fc.array(fc.constantFrom(...PARTS), { minLength: 1, maxLength: 4 }),
  )
  .map(([mark, parts]) => `${mark}${parts.join('')}`);
const ignoreFile = fc.array(line, { minLength: 1, maxLength: 3 }).map((lines) => `${lines.join('\n')}\n`);

/** Each was read in another way than dockerd reads it. */
const KNOWN = [
  '**tar',
  '\\a.tar',
  '\\d.tar',
  'a|b*',
  '^a*',
  '[*]',
  '*\n!**tar',
  'd/**',
  '/ a.tar',
  '.tar\ufeff',
];

describe('an ignore file leaves out the same files as with dockerd', { skip: unlessRoot() }, async () => {
  if (unlessRoot() !== false) return;
  const [agent, dockerd] = await Promise.all([startAgent({ after }), startDockerd({ after })]);
  const files = Object.fromEntries(NAMES.map((name) => [name, name]));
  const folder = await makeBuildContext({ after }, 'FROM scratch\nCOPY . /in/\n', files);
  const output = await makeTempDir({ after }, 'output');

  /** The files that a build saw of a context, or that it failed. */
  async function seen(
    { host }: Pick<Docker, 'host'>,
    side: string,
    args: readonly string[],
    input?: Uint8Array,
  ) {
    const tar = join(output, `${side}.tar`);
    const build = ['-H', host, 'buildx', 'build', '--quiet', '--output', `type=tar,dest=${tar}`, ...args];
    const { exitCode } = await runCommand('docker', build, {
      expectExit: 'any',
      env: { DOCKER_CONFIG: output },
      ...(input && { input }),
    });
    if (exitCode !== 0) return 'the build failed';
    return (await runCommand('tar', ['tf', tar])).stdout.split('\n').sort();
  }

  async function same(args: readonly string[], input?: Uint8Array): Promise<void> {
    const [ours, theirs] = await Promise.all([
      seen(agent, 'agent', args, input),
      seen(dockerd, 'dockerd', args, input),
    ]);
    assert.deepEqual(ours, theirs);
  }

  for (const text of [...KNOWN, ...fc.sample(ignoreFile, { numRuns: CASES })]) {
    test(`of a folder: ${JSON.stringify(text)}`, async () => {
      await writeFile(join(folder, '.dockerignore'), text);
      await same([folder]);
    });
  }

  const ARCHIVED = [
    'a.tar',
    '*',
    '*\n!Dockerfile',
    '!',
    '[',
    '.dockerignore',
    '\\Dockerfile',
    'D*\n!Dockerfile',
  ];
  for (const text of ARCHIVED) {
    test(`of an archive that BuildKit gets: ${JSON.stringify(text)}`, async () => {
      await writeFile(join(folder, '.dockerignore'), text);
      const { stdout } = await runCommand('sh', ['-c', `tar c -C ${folder} . | base64`]);
      await same(['-'], Buffer.from(stdout, 'base64'));
    });

    test(`of an archive that the classic builder gets: ${JSON.stringify(text)}`, async () => {
      await writeFile(join(folder, '.dockerignore'), text);
      const tar = join(output, 'context.tar');
      await runCommand('tar', ['cf', tar, '-C', folder, '.']);
      const [ours, theirs] = await Promise.all([classic(agent, tar), classic(dockerd, tar)]);
      assert.deepEqual(ours, theirs);
    });
  }

  async function classic({ host }: Pick<Docker, 'host'>, tar: string): Promise<readonly string[] | string> {
    const docker = (args: readonly string[], options = {}) =>
      runCommand('docker', ['-H', host, ...args], { env: { DOCKER_BUILDKIT: '0' }, ...options });
    const input = Buffer.concat(await Array.fromAsync(createReadStream(tar)));
    const { exitCode } = await docker(['build', '-t', 'ignored', '-'], { input, expectExit: 'any' });
    if (exitCode !== 0) return 'the build failed';
    const id = (await docker(['create', 'ignored', 'x'])).stdout.trim();
    const listed = await runCommand('sh', ['-c', `docker -H ${host} export ${id} | tar t in`]);
    await docker(['rm', id]);
    return listed.stdout.split('\n').sort();
  }
});
