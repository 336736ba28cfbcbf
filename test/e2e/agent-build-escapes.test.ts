import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { TarParser } from '../../lib/tar/tar-parser.ts';
import { runDirectory } from '../../runtime-agent/cli/run-directory.ts';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { makeBuildContext } from '../support/build-context.ts';
import { killWhile } from '../support/kill-while.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

const APIS = [
  { api: 'classic', options: { env: { DOCKER_BUILDKIT: '0' } } },
  { api: 'BuildKit', options: { env: { DOCKER_BUILDKIT: '1' } } },
] as const;

/** What files have, all of one size, so that one read in another's place is not noticed by its size. */
const OF_HOST = 'of host.\n';
const OF_STAGE = 'of stage\n';
const MIRRORED = 'mirrored\n';

describe('ways out of a build are closed', { skip: unlessRoot(), timeout: 600_000 }, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage(
    { after },
    { agentArgs: ['--allow-build', 'network.host', '--allow-build', 'security.insecure'] },
  );
  const outside = await makeTempDir({ after }, 'outside');
  await writeFile(join(outside, 'secret'), OF_HOST);
  // The folder's name is the byte 0xff, which read as UTF-8 is U+FFFD: under that name lies a link to the host. What lies in
  // the stage at the host's path tells a link that is followed in the stage from one that is followed on the host.
  const evil = `FROM ${image} AS evil
RUN d="$(printf '\\377')"; mkdir "/$d" && echo ${OF_STAGE.trim()} > "/$d/secret" && ln -s ${outside} "$(printf '/\\357\\277\\275')" && ln -s "$d" /go
RUN mkdir -p ${outside} && echo ${MIRRORED.trim()} > ${outside}/secret && ln -s ../../../..${outside} /climbing
`;

  for (const { api, options } of APIS) {
    const build = async (folder: string, ...args: readonly string[]) =>
      await agent.docker(['build', '-t', 'escape', ...args, folder], { ...options, expectExit: 'any' });

    test(`a mount of bytes that are no UTF-8 stays in its stage, by the ${api} API`, async (t) => {
      const folder = await makeBuildContext(
        t,
        `${evil}FROM ${image}
RUN --mount=type=bind,from=evil,source=/go,target=/mnt,rw ls /mnt > /listed; cat /mnt/secret > /read; echo written > /mnt/made; true
`,
      );
      const { exitCode, stderr } = await build(folder, '--no-cache');
      assert.equal(exitCode, 0, stderr);
      const { stdout } = await agent.docker(['run', '--rm', 'escape', 'cat', '/listed', '/read']);
      assert.equal(stdout, `secret\n${OF_STAGE}`);
    });

    test(`RUN has the host's network and its rights only when they were granted, by the ${api} API`, async (t) => {
      const run = async (flags: string, ...args: readonly string[]) => {
        const folder = await makeBuildContext(t, `FROM ${image}\nRUN ${flags} ls /sys/class/net > /n\n`);
        const { exitCode, stderr } = await build(folder, '--no-cache', ...args);
        return exitCode === 0 ? 'ran' : stderr;
      };
      assert.match(await run('--network=host'), /failed to load LLB: network\.host is not allowed/);
      assert.match(await run('--security=insecure'), /failed to load LLB: security\.insecure is not allowed/);
      assert.equal(await run('', '--network', 'host'), 'ran');
      assert.match((await agent.docker(['run', '--rm', 'escape', 'cat', '/n'])).stdout, /outside0/);
      assert.equal(await run('--network=none', '--network', 'host'), 'ran');
      assert.match(await run('--mount=type=tmpfs,target=/proc/sys'), /because it is inside \/proc/);
      assert.match(await run('--security=nothing'), /security "nothing" is not valid/);
      const trigger = await makeBuildContext(t, `FROM ${image}\nONBUILD RUN --network=host true\n`);
      await agent.docker(['build', '-t', 'trigger', trigger], options);
      const folder = await makeBuildContext(t, 'FROM trigger\n');
      assert.match((await build(folder)).stderr, /network\.host is not allowed/);
    });

    test(`the kernel's settings and files are closed to RUN as to a container, by the ${api} API`, async (t) => {
      const look =
        'wc -c < /proc/keys; ls /sys/firmware | wc -l; touch /sys/x || echo no; echo 1 > /proc/sys/kernel/panic || echo no';
      const folder = await makeBuildContext(t, `FROM ${image}\nRUN (${look}) > /seen 2>/dev/null\n`);
      assert.equal((await build(folder, '--no-cache')).exitCode, 0);
      const { stdout } = await agent.docker(['run', '--rm', 'escape', 'cat', '/seen']);
      assert.equal(stdout, '0\n0\nno\nno\n');
    });

    test(`a cache is filled from its stage alone, by the ${api} API`, async (t) => {
      const folder = await makeBuildContext(
        t,
        `${evil}FROM ${image}
RUN --mount=type=cache,id=${api},from=evil,source=/go,target=/cache cat /cache/secret > /read
`,
      );
      const { exitCode, stderr } = await build(folder, '--no-cache');
      assert.equal(exitCode, 0, stderr);
      const { stdout } = await agent.docker(['run', '--rm', 'escape', 'cat', '/read']);
      assert.equal(stdout, OF_STAGE);
    });

    test(`COPY --from copies from its stage alone, under its names, by the ${api} API`, async (t) => {
      const folder = await makeBuildContext(
        t,
        `${evil}RUN mkdir /all && cp -a /go/ "$(printf '/all/\\377')" && ln -s ${outside} "$(printf '/all/\\357\\277\\275')"
FROM ${image}
COPY --from=evil /go /folder
COPY --from=evil /go/sec* /files/
COPY --from=evil /all /all
COPY --from=evil /climbing /mirror
COPY --from=evil /climbing/secret /through/
RUN cat "$(printf '/all/\\377/secret')" > /bytes; readlink "$(printf '/all/\\357\\277\\275')" > /link; true
`,
      );
      const { exitCode, stderr } = await build(folder, '--no-cache');
      assert.equal(exitCode, 0, stderr);
      const files = [
        '/folder/secret',
        '/files/secret',
        '/bytes',
        '/mirror/secret',
        '/through/secret',
        '/link',
      ];
      const read = await agent.docker(['run', '--rm', 'escape', 'cat', ...files], { expectExit: 'any' });
      assert.equal(read.stdout, `${OF_STAGE.repeat(3)}${MIRRORED.repeat(2)}${outside}\n`);
    });
  }

  test('export and cp read from the container alone, under its names', async (t) => {
    const folder = await makeBuildContext(t, evil);
    await agent.docker(['build', '-t', 'evil', folder]);
    await agent.docker(['create', '--name', 'exported', 'evil']);
    const output = await makeTempDir(t, 'exported');
    const tar = join(output, 'tar');
    await agent.docker(['export', '-o', tar, 'exported']);
    const listed = await listTar(tar);
    assert.equal(listed.get('\xff/secret'), OF_STAGE);
    assert.equal(listed.get('go'), '-> \xff');
    assert.equal(listed.get('\xef\xbf\xbd'), `-> ${outside}`);
    assert.equal(listed.get(`${outside.slice(1)}/secret`), MIRRORED);
    const cp = async (...args: readonly string[]) => {
      const to = join(output, 'file');
      await agent.docker(['cp', ...args, to]);
      return await readFile(to, 'utf8');
    };
    assert.equal(await cp('exported:/go/secret'), OF_STAGE);
    assert.equal(await cp('exported:/climbing/secret'), MIRRORED);
    assert.equal(await cp('exported:/\ufffd/secret'), MIRRORED);
  });

  test('names that are no UTF-8 are not sent to a folder of the client under another name', async (t) => {
    const folder = await makeBuildContext(
      t,
      `${evil}RUN mkdir /out; cp -a /go/ "$(printf '/out/\\377')"; ln -s ${outside} "$(printf '/out/\\357\\277\\275')"
FROM scratch
COPY --from=evil /out /
`,
    );
    const output = await makeTempDir(t, 'output');
    const command = ['buildx', 'build', '--output', `type=local,dest=${output}`, folder];
    const { stderr } = await agent.docker(command, { expectExit: 1 });
    assert.match(stderr, /is not UTF-8, so it cannot be sent to a folder: use the output type=tar/);
    assert.deepEqual(await readdir(outside), ['secret']);
  });

  test('a client grants with --allow only entitlements that the agent allows', async (t) => {
    const folder = await makeBuildContext(t, `FROM ${image}\nRUN --network=host ls /sys/class/net > /n\n`);
    const build = async (...names: readonly string[]) =>
      await agent.docker(
        ['buildx', 'build', '-t', 'escape', ...names.flatMap((name) => ['--allow', name]), folder],
        { expectExit: 'any' },
      );
    assert.equal((await build('network.host')).exitCode, 0);
    assert.match((await agent.docker(['run', '--rm', 'escape', 'cat', '/n'])).stdout, /outside0/);
    // What is cached was granted to another build.
    assert.match((await build()).stderr, /network\.host is not allowed/);
    assert.match((await build('all')).stderr, /unknown entitlement all/);
  });

  test('a step without a sandbox has what a privileged container has, and is cached apart', async (t) => {
    const build = async (flag: string, ...args: readonly string[]) => {
      const text = `FROM ${image}\nRUN ${flag} grep -E "^(CapEff|Seccomp):" /proc/self/status > /s; ls /dev | wc -l > /d\n`;
      const folder = await makeBuildContext(t, text);
      await agent.docker(['buildx', 'build', '-t', 'escape', ...args, folder]);
      return (await agent.docker(['run', '--rm', 'escape', 'cat', '/s', '/d'])).stdout;
    };
    const privileged = await agent.docker([
      ...['run', '--rm', '--privileged', image, 'sh', '-c'],
      'grep -E "^(CapEff|Seccomp):" /proc/self/status; ls /dev | wc -l',
    ]);
    const sandboxed = await build('--security=sandbox');
    const insecure = await build('--security=insecure', '--allow', 'security.insecure');
    assert.equal(insecure, privileged.stdout);
    assert.notEqual(sandboxed, insecure);
    assert.equal(await build('--security=sandbox'), sandboxed);
  });

  test('a secret of a build comes to no disk, also when the agent is killed', async (t) => {
    const folder = await makeBuildContext(
      t,
      `FROM ${image}
RUN --mount=type=secret,id=s,env=SECRET --mount=type=secret,id=s [ "$SECRET" = "$(cat /run/secrets/s)" ] && touch /both-there && sleep 1000
`,
    );
    const secret = join(folder, 'secret');
    const value = randomUUID();
    await writeFile(secret, value);
    const found = async (args: readonly string[]) =>
      (await runCommand(args[0] ?? '', args.slice(1), { expectExit: 'any' })).stdout;
    const building = agent.docker(['build', '--no-cache', '--secret', `id=s,src=${secret}`, folder], {
      expectExit: 'any',
    });
    await killWhile(agent, 'the step runs', async () =>
      (await found(['find', agent.dataDir, '-name', 'both-there'])).includes('both-there'),
    );
    await building;
    assert.equal(await found(['grep', '-rlF', value, agent.dataDir, runDirectory(agent.dataDir)]), '');
    await agent.restart();
    const left = await found(['grep', '-lF', value, '-r', '/proc', '--include=environ']);
    assert.equal(left, '', 'the process of the step goes on');
    assert.equal(await found(['grep', '-rlF', value, agent.dataDir, '/dev/shm']), '');
  });

  test('nothing of the host was changed', async () => {
    assert.equal(await readFile(join(outside, 'secret'), 'utf8'), OF_HOST);
    assert.deepEqual(await readdir(outside), ['secret']);
  });
});

/** Of each entry of a tar: what its file has, or where its link leads. Each character is one byte. */
async function listTar(path: string): Promise<ReadonlyMap<string, string>> {
  const entries = new Map<string, string>();
  let last = '';
  const parser = new TarParser({
    entry: (entry) => {
      last = entry.path;
      entries.set(last, entry.kind === 'symlink' ? `-> ${entry.target}` : '');
    },
    data: (chunk) => {
      if (chunk.length < 100) entries.set(last, Buffer.from(chunk).toString('latin1'));
    },
  });
  parser.push(await readFile(path));
  parser.finish();
  return entries;
}
