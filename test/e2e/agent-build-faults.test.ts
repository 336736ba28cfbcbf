// biome-ignore-all lint/suspicious/noTemplateCurlyInString: Dockerfiles have variables of their own.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { agentMounts } from '../support/agent-process.ts';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { makeBuildContext, writeContextFile } from '../support/build-context.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { CommandError, runCommand } from '../support/run-command.ts';
import { type TarEntry, writeTar } from '../support/tar-writer.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { waitUntil } from '../support/wait-until.ts';

enterOwnNetwork();

/** Seconds; no other program of this machine waits for as long. */
const WAIT = 876_543 + (process.pid % 100_000);
const CLASSIC = { env: { DOCKER_BUILDKIT: '0' } };

describe('docker build that goes wrong', { skip: unlessRoot(), timeout: 1_800_000 }, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage(
    { after },
    { agentArgs: ['--build-context-limit', '20m'] },
  );
  const build = async (folder: string, args: readonly string[] = [], options = {}) =>
    (await agent.docker(['build', '-t', 'f', ...args, folder], { ...CLASSIC, ...options })).stdout;

  /** Nothing of a step that ended is left: no folder, no writable layer, no mount but those of layers, no process. */
  async function nothingIsLeft(): Promise<void> {
    let left: readonly string[] = [];
    const look = async () => {
      const folders = ['containers', 'snapshots', 'build-contexts'].map(async (folder) =>
        (await readdir(join(agent.dataDir, folder))).map((name) => join(folder, name)),
      );
      const mounts = (await agentMounts(agent)).filter(
        (path) => !path.startsWith(join(agent.dataDir, 'layers')),
      );
      left = [...(await Promise.all(folders)).flat(), ...mounts];
      return left.length === 0;
    };
    await waitUntil('nothing of the build is left', look).catch((error: Error) => {
      throw new Error(`${error.message}: ${left.join(' ')}\n${agent.process().output().slice(-3000)}`);
    });
  }

  test('a RUN that fails shows its exit code, its last lines and the line of the Dockerfile', async (t) => {
    const folder = await makeBuildContext(t, `FROM ${image}\nRUN true\nRUN echo the last words; exit 42\n`);
    await assert.rejects(build(folder), (error: unknown) => {
      assert.ok(error instanceof CommandError);
      assert.equal(error.result?.exitCode, 42, 'the client ends with the code of the step');
      assert.match(
        error.result.stdout,
        /the last words\n ---> Removed intermediate container [0-9a-f]{12}\n$/,
      );
      assert.match(
        error.result.stderr,
        /Dockerfile:3: The command '\/bin\/sh -c echo the last words; exit 42' returned a non-zero code: 42\n {2}3 \| RUN echo/,
      );
      return true;
    });
    await nothingIsLeft();
  });

  for (const [name, dockerfile, message, files = {}, args = []] of [
    [
      'a command that is not there',
      'FROM BASE\nRUN ["/nosuch"]',
      /Dockerfile:2: RUN: .*\/nosuch.*no such file or directory/,
    ],
    [
      'a user that is not there',
      'FROM BASE\nUSER nobody-here\nRUN true',
      /Dockerfile:3: RUN: unable to find user nobody-here/,
    ],
    [
      'a source that is not there',
      'FROM BASE\nCOPY nope /x',
      /Dockerfile:2: COPY failed: file not found in build context or excluded by \.dockerignore: "\/nope"/,
    ],
    [
      'a source that is ignored',
      'FROM BASE\nCOPY a /x',
      /file not found in build context or excluded/,
      { a: 'a', '.dockerignore': 'a\n' },
    ],
    ['a pattern that matches nothing', 'FROM BASE\nCOPY *.nope /x/', /no source files were specified/],
    [
      'a source outside the context, which is one within it',
      'FROM BASE\nCOPY ../../etc/passwd /x',
      /file not found in build context or excluded by \.dockerignore: "\/etc\/passwd"/,
    ],
    [
      'a link that leads out of the context',
      'FROM BASE\nCOPY link /x',
      /file not found in build context/,
      { link: { link: '../../../../../etc/hostname-of-host' } },
    ],
    [
      'several sources into what is no folder',
      'FROM BASE\nCOPY a b /x',
      /must be a directory and end with a \//,
      { a: 'a', b: 'b' },
    ],
    [
      'a folder over a file',
      'FROM BASE\nCOPY d /etc/passwd',
      /cannot copy to non-directory: \/etc\/passwd/,
      { 'd/a': 'a' },
    ],
    [
      'a stage that copies from itself',
      'FROM BASE AS a\nCOPY --from=a /x /y',
      /circular dependency detected on stage: a/,
    ],
    [
      'stages that need each other',
      'FROM BASE AS a\nCOPY --from=b /x /y\nFROM BASE AS b\nCOPY --from=a /x /y',
      /circular dependency detected/,
    ],
    ['a stage by a number that is too large', 'FROM BASE\nCOPY --from=3 /x /y', /invalid from flag value 3/],
    [
      'a target that is not there',
      'FROM BASE AS build\nRUN true',
      /target stage "biuld" could not be found \(did you mean build\?\)/,
      {},
      ['--target', 'biuld'],
    ],
    ['a base that is not there', 'FROM REGISTRY/team/nope:1\nRUN true', /Dockerfile:1: FROM: /],
    [
      'a base with a blank name',
      'ARG X\nFROM $X',
      /Dockerfile:2: FROM: base name \(\$X\) should not be blank/,
    ],
    [
      'a variable that cannot be read',
      'FROM BASE\nENV A=${B',
      /Dockerfile:2: ENV: failed to process "\$\{B": syntax error: missing \}/,
    ],
    ['a port that is none', 'FROM BASE\nEXPOSE 99999', /EXPOSE: invalid containerPort: 99999/],
    [
      'a mount whose source is not there',
      'FROM BASE\nRUN --mount=type=bind,source=nope,target=/x true',
      /Dockerfile:2: RUN failed: file not found in build context/,
    ],
    [
      'a secret that is needed and was not given',
      'FROM BASE\nRUN --mount=type=secret,id=s,required=true true',
      /Dockerfile:2: RUN: secret s: not found/,
    ],
  ] as readonly (readonly [
    string,
    string,
    RegExp,
    Parameters<typeof makeBuildContext>[2]?,
    (readonly string[])?,
  ])[]) {
    test(name, async (t) => {
      const text = dockerfile.replaceAll('BASE', image).replaceAll('REGISTRY', image.split('/')[0] ?? '');
      await assert.rejects(build(await makeBuildContext(t, text, files), args), (error: Error) => {
        assert.match(error.message, message);
        return true;
      });
    });
  }

  test('what classic builds cannot do is refused in a sentence', async (t) => {
    const folder = await makeBuildContext(t, `FROM ${image}\n`);
    await assert.rejects(build(folder, ['--squash']), /squash/);
    await assert.rejects(build(folder, ['--isolation', 'hyperv']), /no isolation technologies/);
    await assert.rejects(build(folder, ['-t', 'Not/Valid']), /invalid (argument|reference)/);
  });

  test('a step ends with all that it left running', async (t) => {
    const folder = await makeBuildContext(
      t,
      `FROM ${image}\nRUN sh -c 'while true; do sleep ${WAIT}; done' & sh -c 'sleep ${WAIT} &' ; echo done > /x\n`,
    );
    await build(folder);
    assert.equal((await agent.docker(['run', '--rm', 'f', 'cat', '/x'])).stdout, 'done\n');
    await nothingIsLeft();
  });

  test('who hangs up stops the step that runs, and the same build succeeds afterwards', async (t) => {
    const folder = await makeBuildContext(
      t,
      `FROM ${image}\nRUN echo first > /first\nRUN --mount=type=bind,source=gate,target=/gate echo begun > /begun; [ "$(cat /gate)" = open ] || sleep ${WAIT}\n`,
      { gate: 'shut' },
    );
    const leaving = new AbortController();
    const building = build(folder, [], { signal: leaving.signal });
    await waitUntil('the step runs', async () => (await sleepers()) > 0);
    leaving.abort();
    await assert.rejects(building);
    await waitUntil('the step is gone', async () => (await sleepers()) === 0);
    await nothingIsLeft();
    await writeContextFile(join(folder, 'gate'), 'open');
    assert.match(await build(folder), /---> Using cache/);
  });

  test('an agent that is killed within a step leaves nothing, and the next one builds the same', async (t) => {
    const gated = (kind: string) =>
      `FROM ${image}\nRUN echo ${kind} > /first\nCOPY --chown=1:1 Dockerfile /d\nRUN --mount=type=cache,id=kill,target=/c echo x >> /c/x; [ $(cat /c/x | wc -l) -gt 1 ] || sleep ${WAIT}\nRUN cat /first > /last\n`;
    const folder = await makeBuildContext(t, gated('kill'));
    const building = build(folder).catch(() => undefined);
    await waitUntil('the step runs', async () => (await sleepers()) > 0);
    await agent.kill();
    await building;
    await agent.restart();
    await nothingIsLeft();
    const output = await build(folder);
    assert.equal(output.match(/---> Using cache/g)?.length, 2, output);
    assert.equal((await agent.docker(['run', '--rm', 'f', 'cat', '/last'])).stdout, 'kill\n');
  });

  test('the same step of two builds at once runs once', async (t) => {
    const folder = await makeBuildContext(
      t,
      `FROM ${image}\nRUN --mount=type=cache,id=once,target=/c echo x >> /c/x; sleep 2; cat /c/x > /x\n`,
    );
    const outputs = await Promise.all([build(folder, ['-t', 'one']), build(folder, ['-t', 'two'])]);
    for (const name of ['one', 'two']) {
      assert.equal((await agent.docker(['run', '--rm', name, 'cat', '/x'])).stdout, 'x\n', outputs.join());
    }
  });

  test('a base whose tag moves between two builds is built on anew', async (t) => {
    const base = async (word: string) => {
      const folder = await makeBuildContext(t, `FROM ${image}\nRUN echo ${word} > /word\n`);
      await agent.docker(['build', '-t', 'base', folder], CLASSIC);
    };
    await base('one');
    const folder = await makeBuildContext(t, 'FROM base\nRUN cat /word > /copy\n');
    await build(folder);
    await base('two');
    await build(folder);
    assert.equal((await agent.docker(['run', '--rm', 'f', 'cat', '/copy'])).stdout, 'two\n');
  });

  const post = (body: Buffer, query = '') => send(agent.socket, `/build${query}`, body);
  const dockerfile: TarEntry = { name: 'Dockerfile', type: 'file', content: 'FROM scratch\nCOPY . /\n' };

  test('POST /build/cancel stops the build of its ID', async () => {
    const dockerfile = {
      name: 'Dockerfile',
      type: 'file',
      content: `FROM ${image}\nRUN sleep ${WAIT}\n`,
    } as const;
    const building = post(writeTar([dockerfile]), '?buildid=cancel-me');
    await waitUntil('the step runs', async () => (await sleepers()) > 0);
    assert.equal((await send(agent.socket, '/build/cancel?id=cancel-me', Buffer.alloc(0))).status, 200);
    assert.match((await building).body, /"error":"the build was cancelled"/);
    await waitUntil('the step is gone', async () => (await sleepers()) === 0);
    assert.equal((await send(agent.socket, '/build/cancel', Buffer.alloc(0))).status, 400);
    await nothingIsLeft();
  });

  test('a context may be compressed by gzip, zstd, xz or bzip2, and is refused where that is damaged', async () => {
    const tar = writeTar([dockerfile, { name: 'f', type: 'file', content: 'x'.repeat(100_000) }]);
    const by = async (program: string) => {
      const { stdout } = await runCommand('sh', ['-c', `${program} -c | base64`], { input: tar });
      return Buffer.from(stdout, 'base64');
    };
    for (const body of [gzipSync(tar), zstdCompressSync(tar), await by('xz'), await by('bzip2')]) {
      const built = await post(body);
      assert.match(built.body, /Successfully built/);
      const damaged = Buffer.concat([body.subarray(0, body.length >> 1), Buffer.alloc(50, 0xff)]);
      const refused = await post(damaged);
      assert.equal(refused.status, 400, refused.body);
    }
  });

  test('a context that unpacks to more than the limit is refused, and so is one that is no tar', async () => {
    const bomb = writeTar([dockerfile, { name: 'big', type: 'file', content: Buffer.alloc(30 << 20) }]);
    const refused = await post(gzipSync(bomb));
    assert.equal(refused.status, 400);
    assert.match(refused.body, /the context is larger than 20971520 bytes/);
    for (const body of [
      Buffer.from('no tar at all'.repeat(100)),
      gzipSync(Buffer.from('neither')),
      bomb.subarray(0, 5000),
    ]) {
      assert.equal((await post(body)).status, 400);
    }
  });

  test('no entry of a context reaches the host', async () => {
    for (const entries of [
      [
        { name: 'link', type: 'symlink', target: '/etc' },
        { name: 'link/berth-was-here', type: 'file', content: 'x' },
      ],
      [{ name: 'hard', type: 'hardlink', target: '/etc/passwd' }],
    ] as const satisfies readonly (readonly TarEntry[])[]) {
      const { status, body } = await post(writeTar([dockerfile, ...entries]));
      assert.equal(status, 400, body);
    }
    // Paths that climb end at the root of the context, as with dockerd.
    const climbs = [{ name: '../../../../../../tmp/berth-was-here', type: 'file', content: 'x' }] as const;
    const { status, body } = await post(writeTar([dockerfile, ...climbs]));
    assert.equal(status, 200, body);
    assert.equal(existsSync('/tmp/berth-was-here'), false);
    const read = await post(
      writeTar([
        { name: 'Dockerfile', type: 'symlink', target: '/etc/passwd' },
        { name: 'x', type: 'file', content: 'x' },
      ]),
    );
    assert.match(read.body, /Cannot locate specified Dockerfile: Dockerfile/);
    assert.match(
      (await post(writeTar([dockerfile]), '?dockerfile=../../etc/passwd')).body,
      /Forbidden path outside/,
    );
  });

  test('parameters that are malformed are refused', async () => {
    for (const query of [
      '?buildargs=no',
      '?labels=[1]',
      '?memory=x',
      '?cachefrom=[1]',
      '?ulimits={}',
      '?platform=a/b/c/d',
      '?remote=git://x/y',
    ]) {
      const { status, body } = await post(writeTar([dockerfile]), query);
      assert.ok(status === 400 || status === 501, `${query}: ${status} ${body}`);
      assert.ok((JSON.parse(body) as { message: string }).message.length > 10);
    }
  });
});

/** How many steps of this file wait. */
async function sleepers(): Promise<number> {
  let count = 0;
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const command = await readFile(`/proc/${entry}/cmdline`, 'latin1').catch(() => '');
    if (command === `sleep\0${WAIT}\0`) count += 1;
  }
  return count;
}

function send(
  socketPath: string,
  path: string,
  body: Buffer,
): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        socketPath,
        method: 'POST',
        path: `/v1.45${path}`,
        headers: { 'Content-Type': 'application/x-tar' },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
        );
      },
    );
    // The agent may answer and close before it has read all.
    sent.on('error', (error: NodeJS.ErrnoException) => (error.code === 'EPIPE' ? undefined : reject(error)));
    sent.end(body);
  });
}
