import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { utimes } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { startAgent } from '../support/agent-process.ts';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { makeBuildContext, writeContextFile } from '../support/build-context.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

const CLASSIC = { env: { DOCKER_BUILDKIT: '0' } };

describe('what docker build can do by the classic API', {
  skip: unlessRoot(),
  timeout: 1_800_000,
}, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage({ after });
  const build = async (folder: string, args: readonly string[] = [], options = {}) =>
    (await agent.docker(['build', '-t', 'f', ...args, folder], { ...CLASSIC, ...options })).stdout;
  const shell = async (script: string, ...args: string[]) =>
    (await agent.docker(['run', '--rm', ...args, 'f', 'sh', '-c', script])).stdout;
  const inspect = async (format: string, name = 'f') =>
    (await agent.docker(['inspect', '-f', format, name])).stdout.trim();
  const cached = (output: string) => output.match(/---> Using cache/g)?.length ?? 0;

  test('COPY leaves out what --exclude names, keeps folders with --parents, and makes layers of their own with --link', async (t) => {
    const folder = await makeBuildContext(
      t,
      `FROM ${image}
COPY --exclude=*.md --exclude=sub src /a
COPY --parents src/./x.txt src/sub /b/
RUN mkdir /real && ln -s real /link
COPY --link src/x.txt /link/x
COPY --link --chown=5:6 --chmod=0600 src/x.txt /own/x
`,
      { 'src/x.txt': 'x', 'src/y.md': 'y', 'src/sub/z.txt': 'z' },
    );
    await build(folder);
    assert.equal(await shell('find /a /b -type f | sort'), '/a/x.txt\n/b/src/sub/z.txt\n/b/src/x.txt\n');
    assert.equal(await shell('stat -c "%u:%g %a" /own/x; cat /link/x'), '5:6 600\nx');
  });

  test('folders that WORKDIR makes are of USER, several files go into a folder that is there, and binds may go without a target', async (t) => {
    const folder = await makeBuildContext(
      t,
      `FROM ${image} AS out
RUN echo built > /x
FROM ${image}
RUN echo "app:x:1500:1600::/app:/bin/sh" >> /etc/passwd
USER app
WORKDIR /app/src
RUN --mount=from=out cat x > /tmp/bound && id -u > /tmp/id
USER nobody-yet
WORKDIR /later
USER 0
COPY --chmod=u=rwX,go=rX a b dir /tmp
RUN <<END cat > /tmp/text
no command
END
`,
      { a: { text: 'a', mode: 0o600 }, b: { text: 'b', mode: 0o700 }, 'dir/c': { text: 'c', mode: 0o640 } },
    );
    await build(folder);
    assert.equal(
      await shell('cd /tmp; cat bound id text; stat -c "%n %u:%g %a" /app /app/src /later a b c'),
      'built\n1500\nno command\n/app 1500:1600 755\n/app/src 1500:1600 755\n/later 0:0 755\na 0:0 644\nb 0:0 755\nc 0:0 644\n',
    );
    await writeContextFile(join(folder, 'Dockerfile'), `FROM ${image}\nCOPY a b /nowhere\n`);
    await assert.rejects(build(folder), /the destination must be a directory and end with a \//);
  });

  test('a file that only moved its time is found in the cache, one with another mode is not', async (t) => {
    const folder = await makeBuildContext(t, `FROM ${image}\nCOPY f /f\n`, { f: { text: 'x', mode: 0o644 } });
    assert.equal(cached(await build(folder)), 0);
    await utimes(join(folder, 'f'), 1, 1);
    assert.equal(cached(await build(folder)), 1);
    await writeContextFile(join(folder, 'f'), { text: 'x', mode: 0o600 });
    assert.equal(cached(await build(folder)), 0);
    assert.equal(cached(await build(folder, ['--no-cache'])), 0);
    assert.equal(cached(await build(folder)), 1);
  });

  test('a stage that was made again to the same files leaves COPY --from in the cache', async (t) => {
    const dockerfile = (word: string) =>
      `FROM ${image} AS a\nRUN echo ${word} > /noise; echo same > /out\nFROM ${image}\nCOPY --from=a /out /out\nRUN echo $RANDOM > /random\n`;
    const folder = await makeBuildContext(t, dockerfile('one'));
    await build(folder);
    const random = await shell('cat /random');
    await writeContextFile(join(folder, 'Dockerfile'), dockerfile('two'));
    assert.equal(cached(await build(folder)), 2);
    assert.equal(await shell('cat /random'), random);
  });

  test('RUN has caches that outlive it, scratch space, binds of the context and of stages that nobody sees afterwards', async (t) => {
    const folder = await makeBuildContext(
      t,
      `FROM ${image} AS other
RUN mkdir /o && echo of the stage > /o/f
RUN mkdir -p /seed/d && echo x > /seed/f && ln /seed/f /seed/g && mkfifo /seed/p && chown -R 7:8 /seed && chmod 2710 /seed/d
FROM ${image}
ARG N
RUN --mount=type=cache,target=/s,id=seeded,from=other,source=/seed cd /s && stat -c '%n %u:%g %h %a %F' * > /seeded
RUN --mount=type=cache,target=/c,id=features echo $N >> /c/log && cat /c/log > /log
RUN --mount=type=tmpfs,target=/t,size=1m df -k /t | tail -1 | awk '{print $2}' > /size
RUN --mount=type=bind,target=/ctx,rw --mount=type=bind,from=other,source=/o,target=/stage cat /ctx/word /stage/f > /words && echo no > /ctx/word
RUN --mount=type=bind,from=${image},source=/etc,target=/i,ro ! touch /i/x && ls /i/passwd > /readonly
`,
      { word: 'of the context\n' },
    );
    await build(folder, ['--build-arg', 'N=1']);
    await build(folder, ['--build-arg', 'N=2']);
    assert.equal(await shell('cat /log'), '1\n2\n');
    assert.equal(
      await shell('cat /size /words /readonly'),
      '1024\nof the context\nof the stage\n/i/passwd\n',
    );
    assert.equal(
      await shell('cut -d" " -f1-4 /seeded; [ $(grep -c fifo /seeded) = 1 ]'),
      'd 7:8 2 2710\nf 7:8 2 644\ng 7:8 2 644\np 7:8 1 644\n',
    );
    assert.equal(await shell('ls -d /c /t /ctx /stage /i 2>/dev/null | wc -l'), '0\n');
  });

  test('stages that do not need each other are built side by side', async (t) => {
    const meets = (own: string, other: string) =>
      `RUN --mount=type=cache,target=/meet,id=meet touch /meet/${own}; i=0; until [ -e /meet/${other} ]; do i=$((i+1)); [ $i -lt 9000 ] || exit 1; sleep 0.1; done; touch /${own}`;
    const folder = await makeBuildContext(
      t,
      `FROM ${image} AS a\n${meets('a', 'b')}\nFROM ${image} AS b\n${meets('b', 'a')}\nFROM ${image}\nCOPY --from=a /a /\nCOPY --from=b /b /\n`,
    );
    await build(folder);
    assert.equal(await shell('ls /a /b'), '/a\n/b\n');
  });

  test('RUN has the network that it asks for', async (t) => {
    const folder = await makeBuildContext(
      t,
      `FROM ${image}
RUN ls /sys/class/net | tr '\\n' ' ' > /default
RUN --network=none ls /sys/class/net | tr '\\n' ' ' > /none
`,
    );
    await build(folder);
    assert.match(await shell('cat /default'), /eth0/);
    assert.equal(await shell('cat /none'), 'lo ');
    await build(folder, ['--no-cache', '--network', 'host']);
    assert.match(await shell('cat /default'), /outside0/);
    const insecure = ['buildx', 'build', '--allow', 'security.insecure', folder];
    const refusal = 'granting entitlement security.insecure is not allowed by build daemon configuration';
    await assert.rejects(agent.docker(insecure), new RegExp(refusal));
    await build(folder, ['--no-cache', '--network', 'none']);
    assert.equal(await shell('cat /default'), 'lo ');
  });

  test('RUN keeps to the limits and names of the command line', async (t) => {
    const folder = await makeBuildContext(
      t,
      `FROM ${image}\nRUN ulimit -n > /n; grep added /etc/hosts > /h\n`,
    );
    await build(folder, ['--ulimit', 'nofile=333:333', '--add-host', 'added:192.0.2.7']);
    assert.equal(await shell('cat /n; cut -f1 /h'), '333\n192.0.2.7\n');
  });

  test('ADD fetches what has a checksum, and refuses the rest', async (t) => {
    const body = 'from afar\n';
    const digest = `sha256:${createHash('sha256').update(body).digest('hex')}`;
    const server = createServer((_, response) => response.end(body));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/some/file.txt`;
    const folder = await makeBuildContext(t, `FROM ${image}\nADD --checksum=${digest} ${url} /in/\n`);
    await build(folder);
    assert.equal(await shell('cat /in/file.txt; stat -c %a /in/file.txt'), `${body}600\n`);
    await writeContextFile(join(folder, 'Dockerfile'), `FROM ${image}\nADD ${url} /in/\n`);
    await assert.rejects(build(folder), /Dockerfile:2: ADD failed: a remote file needs a checksum/);
    await writeContextFile(join(folder, 'Dockerfile'), `FROM ${image}\nADD git@host.invalid:a/b /in/\n`);
    await assert.rejects(build(folder), /Dockerfile:2: ADD failed: the git repository .* needs an SSH key/);
    const wrong = digest.replace(/.{4}$/, '0000');
    await writeContextFile(
      join(folder, 'Dockerfile'),
      `FROM ${image}\nADD --checksum=${wrong} ${url} /in/\n`,
    );
    await assert.rejects(build(folder), /has the checksum sha256:/);
  });

  test('the children of an image run what it left for them', async (t) => {
    const parent = await makeBuildContext(
      t,
      `FROM ${image}\nONBUILD COPY . /app\nONBUILD RUN cat /app/f > /g\n`,
    );
    await agent.docker(['build', '-t', 'parent', parent], CLASSIC);
    const child = await makeBuildContext(t, 'FROM parent\nRUN cat /g /g > /h\n', { f: 'child\n' });
    await build(child);
    assert.equal(await shell('cat /h'), 'child\nchild\n');
    assert.equal(await inspect('{{json .Config.OnBuild}}'), 'null');
  });

  test('a Dockerfile of another name, or from the standard input', async (t) => {
    const folder = await makeBuildContext(t, 'FROM scratch\n', {
      'docker/app.Dockerfile': `FROM ${image}\nCOPY . /c\n`,
      'docker/app.Dockerfile.dockerignore': 'b\n',
      a: 'a',
      b: 'b',
    });
    await build(folder, ['-f', join(folder, 'docker/app.Dockerfile')]);
    // Only BuildKit reads an ignore file of a Dockerfile's own.
    assert.equal(await shell('ls /c | tr "\\n" " "'), 'Dockerfile a b docker ');
    await build(folder, ['-f', '-'], { input: `FROM ${image}\nCOPY b /only\n` });
    assert.equal(await shell('cat /only'), 'b');
    await agent.docker(['build', '-t', 'f', '-'], {
      ...CLASSIC,
      input: `FROM ${image}\nRUN echo stdin > /x\n`,
    });
    assert.equal(await shell('cat /x'), 'stdin\n');
  });

  test('quiet builds print the ID alone; labels and several tags', async (t) => {
    const folder = await makeBuildContext(t, `FROM ${image}\nLABEL a=1\n`);
    const output = await build(folder, ['-q', '-t', 'other:2', '--label', 'b=2']);
    assert.match(output, /^sha256:[0-9a-f]{64}\n$/);
    assert.equal(await inspect('{{.Id}}', 'other:2'), output.trim());
    assert.equal(await inspect('{{json .Config.Labels}}'), '{"a":"1","b":"2"}');
  });

  test('the history tells each instruction, and hides the values of secret arguments', async (t) => {
    const folder = await makeBuildContext(
      t,
      `FROM ${image}\nARG NPM_TOKEN\nARG MODE=fast\nENV A=b\nRUN echo $MODE > /m\nCOPY Dockerfile /d\nCMD ["x", "y"]\n`,
    );
    await build(folder, ['--build-arg', 'NPM_TOKEN=hunter2']);
    const history = (await agent.docker(['history', '--no-trunc', '--format', '{{.CreatedBy}}', 'f'])).stdout;
    assert.deepEqual(history.trim().split('\n').slice(0, 6), [
      'CMD ["x" "y"]',
      'COPY Dockerfile /d # buildkit',
      'RUN |2 NPM_TOKEN=<hidden> MODE=fast /bin/sh -c echo $MODE > /m # buildkit',
      'ENV A=b',
      'ARG MODE=fast',
      'ARG NPM_TOKEN=<hidden>',
    ]);
    assert.ok(!(await agent.docker(['inspect', 'f'])).stdout.includes('hunter2'));
  });

  test('arguments that nobody takes are warned of; proxies reach RUN and nothing else', async (t) => {
    const folder = await makeBuildContext(t, `FROM ${image}\nRUN echo $HTTP_PROXY > /p\n`);
    const output = await build(folder, ['--build-arg', 'NOBODY=1', '--build-arg', 'HTTP_PROXY=http://proxy']);
    assert.match(output, /\[Warning\] One or more build-args \[NOBODY\] were not consumed/);
    assert.equal(await shell('cat /p'), 'http://proxy\n');
    assert.ok(!(await agent.docker(['inspect', 'f'])).stdout.includes('proxy'));
  });

  test('two agents make the same layers of the same files, and the same image at one SOURCE_DATE_EPOCH', async (t) => {
    const second = await startAgent({ after }, { args: ['--insecure-registry', image.split('/')[0] ?? ''] });
    const folder = await makeBuildContext(
      t,
      `FROM ${image}\nWORKDIR /app\nCOPY . .\nCOPY --chown=1:1 d /e\nRUN mkdir /r && date > /r/d && rm /r/d\n`,
      { a: 'a', 'd/b': 'b', 'd/c': { link: 'b' } },
    );
    const layers = '{{json .RootFS.Layers}}';
    const args = ['--build-arg', 'SOURCE_DATE_EPOCH=1000000000'];
    await build(folder);
    await second.docker(['build', '-t', 'f', folder], CLASSIC);
    const ours: string[] = JSON.parse(await inspect(layers));
    const theirs: string[] = JSON.parse((await second.docker(['inspect', '-f', layers, 'f'])).stdout);
    assert.deepEqual(ours.slice(0, -1), theirs.slice(0, -1));
    await build(folder, args);
    await second.docker(['build', '-t', 'f', ...args, folder], CLASSIC);
    const id = (await second.docker(['inspect', '-f', '{{.Id}} {{.Created}}', 'f'])).stdout.trim();
    assert.equal(await inspect('{{.Id}} {{.Created}}'), id);
    assert.match(id, /2001-09-09T01:46:40/);
  });

  test('docker builder prune frees what no image has, and all of it with --all', async (t) => {
    const folder = await makeBuildContext(t, `FROM ${image}\nRUN head -c 3000000 /dev/urandom > /big\n`);
    await build(folder);
    const first = await agent.docker(['builder', 'prune', '--force'], CLASSIC);
    assert.equal(cached(await build(folder)), 1, 'an image has it still');
    await agent.docker(['rmi', 'f']);
    assert.equal(cached(await build(folder)), 1, 'the cache keeps the layer of an image that went');
    await agent.docker(['rmi', 'f']);
    const second = await agent.docker(['builder', 'prune', '--force'], CLASSIC);
    assert.match(second.stdout, /Total reclaimed space: 3(\.\d+)?MB/, first.stdout);
    assert.equal(cached(await build(folder)), 0);
    await agent.docker(['builder', 'prune', '--force', '--all'], CLASSIC);
    assert.equal(cached(await build(folder)), 0);
  });
});
