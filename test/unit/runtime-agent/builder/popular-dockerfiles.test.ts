// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the variables of Dockerfiles.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  parseDockerfile,
  parseTrigger,
} from '../../../../runtime-agent/builder/frontend/parse-dockerfile.ts';
import { globalScope, platformArguments } from '../../../../runtime-agent/builder/solver/build-arguments.ts';
import { neededImages, neededStages } from '../../../../runtime-agent/builder/solver/needed-stages.ts';
import { planStage } from '../../../../runtime-agent/builder/solver/plan-stage.ts';
import { type NameScope, targetStage } from '../../../../runtime-agent/builder/solver/stage-sources.ts';
import type { CopyOp, FolderOp, RunOp, StagePlan } from '../../../../runtime-agent/builder/solver/step.ts';

const AMD64 = { os: 'linux', architecture: 'amd64' };

function planned(text: string, given: Readonly<Record<string, string>> = {}) {
  const dockerfile = parseDockerfile('Dockerfile', text);
  const arguments_ = new Map(Object.entries(given));
  const global = globalScope(dockerfile, arguments_, platformArguments(AMD64, AMD64, 'default'));
  const scope: NameScope = { dockerfile, global, namedContexts: new Map() };
  const stages = neededStages(scope, targetStage(dockerfile, undefined), () => []);
  const plans: StagePlan[] = [];
  for (const needed of stages) {
    const { base } = needed;
    const below = base.kind === 'stage' ? plans.find(({ index }) => index === base.index) : undefined;
    plans.push(
      planStage({
        scope,
        needed,
        baseConfig: below?.config ?? { Env: ['VERSION=base'] },
        given: arguments_,
        ...(below === undefined ? {} : { below }),
      }),
    );
  }
  const last = plans.at(-1) as StagePlan;
  const works = last.steps.flatMap(({ op }) => (op === undefined ? [] : [op]));
  return {
    last,
    images: neededImages(scope, stages),
    runs: works.filter((op): op is RunOp => op.kind === 'run'),
    copies: works.filter((op): op is CopyOp => op.kind === 'copy'),
    folders: works.filter((op): op is FolderOp => op.kind === 'folder'),
  };
}

const run = (text: string, given = {}) => planned(text, given).runs.at(-1) as RunOp;

describe('documents', () => {
  const shell = (text: string) => run(`FROM a\n${text}`).args;

  test('what follows the name of a document is for the shell, which may start another program with it', () => {
    assert.deepEqual(shell('RUN <<EOF bash\nset -o pipefail\nEOF'), [
      '/bin/sh',
      '-c',
      '<<EOF bash\nset -o pipefail\nEOF',
    ]);
    assert.deepEqual(shell('RUN <<EOF cat > /x\na\nEOF').at(-1), '<<EOF cat > /x\na\nEOF');
    assert.deepEqual(shell('RUN <<EOF\na\nEOF').at(-1), 'a\n');
  });

  test('the name may stand apart, and a shift of numbers is none', () => {
    assert.deepEqual(shell('RUN << EOF\na\nEOF').at(-1), 'a\n');
    assert.deepEqual(shell('RUN cat << EOF > /x\na\nEOF').at(-1), 'cat << EOF > /x\na\nEOF');
    assert.deepEqual(shell('RUN echo $((1 << 2))\nRUN b').at(-1), 'b');
    assert.deepEqual(shell('RUN cat <<< "a"').at(-1), 'cat <<< "a"');
    const [copy] = planned('FROM a\nCOPY << EOF /x\nb\nEOF').copies;
    assert.deepEqual([copy?.sources, copy?.documents], [[], [{ name: 'EOF', content: 'b\n' }]]);
  });
});

describe('mounts', () => {
  test('a bind without a target is the working directory', () => {
    const { mounts } = run(
      'FROM b AS out\nFROM a\nWORKDIR /src\nRUN --mount=from=out --mount=type=bind,src=x,target=y a',
    );
    assert.deepEqual(
      mounts.map((mount) => mount.target),
      ['/src', '/src/y'],
    );
    assert.throws(() => planned('FROM a\nRUN --mount=type=bind a'), /invalid mount target "\/"/);
    assert.throws(() => planned('FROM a\nRUN --mount=type=cache a'), /a mount needs a target/);
  });

  test('types and sharing in capitals', () => {
    const [mount] = run('FROM a\nRUN --mount=type=CACHE,target=/x,sharing=LOCKED a').mounts;
    assert.ok(mount?.type === 'cache' && mount.sharing === 'locked');
  });
});

describe('arguments', () => {
  test('a stage that stands on another one has its arguments', () => {
    const below = 'FROM a AS base\nARG A=1\nARG B\nARG C=3\nENV C=env\n';
    const { last, runs } = planned(`${below}FROM base\nARG A\nENV E=$A\nRUN x`);
    assert.deepEqual(last.config.Env, ['VERSION=base', 'C=env', 'E=1']);
    assert.deepEqual(runs[0]?.env, ['A=1', 'VERSION=base', 'C=env', 'E=1']);
    assert.deepEqual(run(`${below}FROM base\nRUN x`, { A: '7' }).env[0], 'A=7');
    assert.equal(planned(`${below}FROM b\nRUN x`).runs[0]?.env.length, 1);
  });

  test('of an ARG and an ENV the later one counts, whose other one stays in the image', () => {
    const { last, runs } = planned(
      'FROM a\nARG VERSION=mine\nRUN x\nLABEL v=$VERSION\nENV VERSION=env\nRUN y',
    );
    assert.deepEqual(
      runs.map(({ env }) => env),
      [['VERSION=mine'], ['VERSION=env']],
    );
    assert.deepEqual(last.config.Labels, { v: 'mine' });
    assert.deepEqual(planned('FROM a\nARG VERSION=mine\nRUN x').last.config.Env, ['VERSION=base']);
    assert.deepEqual(run('FROM a\nARG VERSION\nRUN x').env, ['VERSION=base']);
  });

  test('the history has all of them, and the flags of a COPY', () => {
    const { last } = planned(
      'FROM a\nARG A=1\nARG B\nENV A=2\nRUN x\nCOPY --chmod=u=rwX,go=rX --chown=1:2 f <<D /f/\nD',
    );
    assert.deepEqual(
      last.steps.slice(-2).map(({ history }) => history),
      ['RUN |2 A=2 B= /bin/sh -c x # buildkit', 'COPY --chown=1:2 --chmod=u=rwX,go=rX f <<D /f/ # buildkit'],
    );
  });

  test('programs do not see what speaks to the builder alone', () => {
    assert.deepEqual(run('FROM a\nARG BUILDKIT_SBOM_SCAN_STAGE=true\nRUN x').env, ['VERSION=base']);
  });

  test('platforms may be given, and named as people name them', () => {
    const platform = (text: string, given = {}) =>
      planned(`FROM --platform=${text} a`, given).images[0]?.platform;
    const arm64 = { os: 'linux', architecture: 'arm64' };
    for (const name of [
      'arm64',
      'aarch64',
      'linux/arm64',
      'linux/aarch64',
      'linux/arm64/v8',
      'LINUX/ARM64',
    ]) {
      assert.deepEqual(platform(name), arm64);
    }
    assert.deepEqual(platform('arm/v7'), { os: 'linux', architecture: 'arm', variant: 'v7' });
    assert.deepEqual(platform('x86_64'), AMD64);
    assert.deepEqual(platform('$BUILDPLATFORM'), AMD64);
    assert.deepEqual(platform('$BUILDPLATFORM', { BUILDPLATFORM: 'linux/arm64' }), arm64);
    assert.throws(() => platform('windows/amd64'), /failed to parse platform "windows\/amd64"/);
    assert.throws(() => platform('foo'), /failed to parse platform "foo"/);
  });
});

describe('stages', () => {
  test('of several with one name the last one before counts', () => {
    const text = 'FROM a AS x\nRUN 1\nFROM b AS x\nRUN 2\nFROM c\nCOPY --from=x /a /b';
    const [copy] = planned(text).copies;
    assert.deepEqual(copy?.from, { kind: 'stage', index: 1 });
    assert.deepEqual(planned('FROM a AS x\nFROM x AS x\nRUN 2\nFROM x').last.base, {
      kind: 'stage',
      index: 1,
    });
  });

  test('--from takes no variables', () => {
    assert.throws(
      () => planned('ARG V\nFROM a\nCOPY --from=$V a b'),
      /--from doesn't support variable expansion/,
    );
  });

  test('a folder that WORKDIR makes is of USER', () => {
    const text = 'FROM a\nWORKDIR /a\nUSER app\nWORKDIR /b\nUSER 1000:1000\nWORKDIR /c\nUSER 0:0\nWORKDIR /d';
    assert.deepEqual(
      planned(text).folders.map(({ user }) => user),
      [undefined, 'app', '1000:1000', undefined],
    );
  });

  test('triggers may have documents', () => {
    const { at, escapeToken } = parseDockerfile('Dockerfile', 'FROM a');
    const trigger = parseTrigger('COPY <<EOF /x\nb\nEOF', escapeToken, at);
    assert.ok(trigger.kind === 'copy' && trigger.documents[0]?.content === 'b\n');
  });
});

test('ports may be written as run takes them, and directives be indented', () => {
  const { last } = planned('  # escape=`\nFROM a\nEXPOSE 8080:80 127.0.0.1:81:82/udp `\n 83/');
  assert.deepEqual(Object.keys(last.config.ExposedPorts ?? {}), ['80/tcp', '82/udp', '83/tcp']);
});

test('a pattern that takes all of a value is replaced once', () => {
  assert.deepEqual(
    planned('FROM a\nARG V=a.b\nENV R=${V//*/x} S=${V//./-} T=${V//?/y}').last.config.Env?.slice(1),
    ['R=x', 'S=a-b', 'T=yyy'],
  );
});
