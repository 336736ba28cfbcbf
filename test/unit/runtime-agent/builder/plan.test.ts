// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the variables of Dockerfiles.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ImageConfigDefaults } from '../../../../oci/image-config.ts';
import { parseDockerfile } from '../../../../runtime-agent/builder/frontend/parse-dockerfile.ts';
import { announcedSteps } from '../../../../runtime-agent/builder/solver/announce.ts';
import {
  globalScope,
  platformArguments,
  unusedArguments,
} from '../../../../runtime-agent/builder/solver/build-arguments.ts';
import { historyEntry, imageDocument } from '../../../../runtime-agent/builder/solver/image-document.ts';
import { neededImages, neededStages } from '../../../../runtime-agent/builder/solver/needed-stages.ts';
import { planStage } from '../../../../runtime-agent/builder/solver/plan-stage.ts';
import { type NameScope, targetStage } from '../../../../runtime-agent/builder/solver/stage-sources.ts';
import type { RunOp, StagePlan } from '../../../../runtime-agent/builder/solver/step.ts';
import { copyKey, type RunSurroundings, runKey } from '../../../../runtime-agent/builder/solver/step-key.ts';
import { wantedOfContext } from '../../../../runtime-agent/builder/solver/wanted-of-context.ts';

const AMD64 = { os: 'linux', architecture: 'amd64' };
const ARM = { os: 'linux', architecture: 'arm', variant: 'v7' };

interface Planned {
  readonly plans: readonly StagePlan[];
  readonly images: readonly string[];
  readonly scope: NameScope;
}

function plan(
  text: string,
  options: {
    readonly target?: string;
    readonly given?: Readonly<Record<string, string>>;
    readonly base?: ImageConfigDefaults;
    readonly contexts?: Readonly<Record<string, string | undefined>>;
  } = {},
): Planned {
  const dockerfile = parseDockerfile('Dockerfile', text);
  const given = new Map(Object.entries(options.given ?? {}));
  const scope: NameScope = {
    dockerfile,
    global: globalScope(dockerfile, given, platformArguments(ARM, AMD64, 'default')),
    namedContexts: new Map(Object.entries(options.contexts ?? {})),
  };
  const stages = neededStages(scope, targetStage(dockerfile, options.target), () => []);
  const plans: StagePlan[] = [];
  for (const needed of stages) {
    const { base } = needed;
    const below = base.kind === 'stage' ? plans.find(({ index }) => index === base.index) : undefined;
    plans.push(planStage({ scope, needed, baseConfig: below?.config ?? options.base ?? {}, given }));
  }
  return { plans, scope, images: neededImages(scope, stages).map(({ reference }) => reference) };
}

const lastOf = (text: string, options = {}) => plan(text, options).plans.at(-1) as StagePlan;
const works = (text: string, options = {}) =>
  lastOf(text, options).steps.flatMap(({ op }) => (op === undefined ? [] : [op]));
const firstRun = (text: string, options = {}) =>
  works(text, options).find(({ kind }) => kind === 'run') as RunOp;

describe('which stages are built', () => {
  const text = `FROM a AS one
FROM b AS two
COPY --from=one /x /x
FROM c AS unused
FROM scratch
COPY --from=two /x /x
COPY --from=d:1 /y /y
RUN --mount=type=bind,from=e,target=/e true
`;
  test('those that the target needs, after what they need', () => {
    assert.deepEqual(
      plan(text).plans.map(({ index }) => index),
      [0, 1, 3],
    );
    assert.deepEqual(plan(text).images, ['a', 'b', 'd:1', 'e']);
    assert.deepEqual(
      plan(text, { target: 'ONE' }).plans.map(({ index }) => index),
      [0],
    );
    assert.deepEqual(plan(text, { target: '1' }).images, ['a', 'b']);
  });

  test('names of contexts win over images', () => {
    const contexts = { a: 'docker-image://other:1', files: undefined };
    assert.deepEqual(plan('FROM a\nCOPY --from=files x y', { contexts }).images, ['other:1']);
  });

  test('arguments and platforms are known in FROM', () => {
    const { images } = plan('ARG T=1\nARG B=x-$TARGETARCH\nFROM --platform=$BUILDPLATFORM ${B}:$T', {
      given: { T: '2' },
    });
    assert.deepEqual(images, ['x-arm:2']);
  });
});

describe('what a stage comes to', () => {
  test('arguments have the scope of their stage, and ENV hides them', () => {
    const text =
      'ARG G=global\nFROM a AS one\nARG A=1\nENV E=$A-$G\nFROM one\nARG G\nARG N\nENV G2=$G A2=$A\nRUN x';
    const { plans } = plan(text, { given: { N: 'given' } });
    assert.deepEqual(plans[0]?.config.Env, ['E=1-']);
    assert.deepEqual(plans[1]?.config.Env, ['E=1-', 'G2=global', 'A2=']);
    assert.deepEqual(firstRun(text, { given: { N: 'given' } }).env, [
      'G=global',
      'N=given',
      'E=1-',
      'G2=global',
      'A2=',
    ]);
    assert.deepEqual(firstRun('FROM a\nARG V=arg\nENV V=env\nRUN x').env, ['V=env']);
    assert.deepEqual(firstRun('FROM a\nARG TARGETPLATFORM\nARG BUILDARCH\nRUN x').env, [
      'BUILDARCH=amd64',
      'TARGETPLATFORM=linux/arm/v7',
    ]);
  });

  test('variables that one ENV sets are seen from the next one on', () => {
    assert.deepEqual(lastOf('FROM a\nENV A=1\nENV A=2 B=$A').config.Env, ['A=2', 'B=1']);
  });

  test('proxies are in the environment alone', () => {
    const { plans } = plan('FROM a\nRUN x', { given: { HTTP_PROXY: 'p' } });
    const [step] = plans[0]?.steps ?? [];
    assert.deepEqual(step?.op?.kind === 'run' && [step.op.env, step.op.hiddenEnv], [
      [],
      ['HTTP_PROXY=p', 'http_proxy=p'],
    ]);
    assert.equal(step?.history, 'RUN /bin/sh -c x # buildkit');
  });

  test('paths stand on WORKDIR', () => {
    const [first, second, copy] = works('FROM a\nENV D=b\nWORKDIR /a\nWORKDIR $D/../c\nCOPY x y/');
    assert.deepEqual(
      [first, second].map((op) => op?.kind === 'folder' && op.path),
      ['/a', '/a/c'],
    );
    assert.equal(copy?.kind === 'copy' && copy.destination, '/a/c/y/');
  });

  test('the command of the base goes with a new entrypoint, unless the stage has its own', () => {
    const base = { Cmd: ['base'], OnBuild: ['RUN x'] };
    assert.deepEqual(lastOf('FROM a\nENTRYPOINT ["e"]', { base }).config, { Entrypoint: ['e'] });
    assert.deepEqual(lastOf('FROM a\nCMD ["c"]\nENTRYPOINT ["e"]', { base }).config.Cmd, ['c']);
  });

  test('ports may be ranges, and variables several', () => {
    const { ExposedPorts } = lastOf('FROM a\nENV P="1 2/udp"\nEXPOSE $P 8000-8002/TCP').config;
    assert.deepEqual(Object.keys(ExposedPorts ?? {}), ['1/tcp', '2/udp', '8000/tcp', '8001/tcp', '8002/tcp']);
  });

  test('arguments that nobody takes are named', () => {
    assert.deepEqual(
      unusedArguments(
        new Map([
          ['A', '1'],
          ['B', undefined],
          ['no_proxy', 'x'],
        ]),
        new Set(['A']),
      ),
      ['B'],
    );
  });
});

test('a build asks for the parts of a context that its steps read', () => {
  const wanted = (text: string, name?: string) =>
    wantedOfContext(plan(text, { contexts: { other: undefined } }).plans, name);
  assert.deepEqual(
    wanted('FROM a\nCOPY /x ./y/ z* /\nADD w /\nRUN --mount=type=bind,source=v,target=/v true'),
    ['v', 'w', 'x', 'y', 'z*'],
  );
  assert.equal(wanted('FROM a\nCOPY x /\nCOPY . /'), undefined);
  assert.deepEqual(wanted('FROM a\nCOPY --from=other x /', 'other'), ['x']);
});

test('clients are told of steps in the order of the Dockerfile, as both builders number them', () => {
  const { plans } = plan('FROM a AS one\nENV A=1\nRUN x\nFROM one\nCOPY --from=one /y /z');
  assert.deepEqual(
    announcedSteps(plans).map(({ name, inputs, instruction, isConfigOnly = false }) => [
      name,
      inputs,
      instruction?.number,
      isConfigOnly,
    ]),
    [
      ['[one 1/2] FROM a AS one', [], 1, false],
      ['[one 1/2] ENV A=1', ['0.0'], 2, true],
      ['[one 2/2] RUN x', ['0.0'], 3, false],
      ['[stage-1 1/2] FROM one', ['0.2'], 4, true],
      ['[stage-1 2/2] COPY --from=one /y /z', ['1.0', '0.2'], 5, false],
    ],
  );
});

describe('the key of a step', () => {
  const chain = [`sha256:${'a'.repeat(64)}`] as const;
  const other = [`sha256:${'b'.repeat(64)}`] as const;
  const copy = (text: string) => {
    const [op] = works(text);
    assert.equal(op?.kind, 'copy');
    return op;
  };

  const plain: RunSurroundings = { network: 'default', extraHosts: [], shmSize: undefined, limits: {} };

  test('of a RUN changes with what it can see of the build around it, as with BuildKit', () => {
    const run = firstRun('FROM a\nRUN x');
    const offline = firstRun('FROM a\nRUN --network=none x');
    const keyOf = (surroundings: Partial<RunSurroundings>, op = run) =>
      runKey(chain, op, [], undefined, { ...plain, ...surroundings });
    for (const surroundings of [
      { network: 'none' },
      { extraHosts: ['db:10.0.0.1'] },
      { shmSize: 1 << 20 },
      { limits: { Ulimits: [{ Name: 'nofile', Soft: 1, Hard: 2 }] } },
    ]) {
      assert.notEqual(keyOf(surroundings), keyOf({}), JSON.stringify(surroundings));
    }
    assert.equal(keyOf({ extraHosts: ['db:10.0.0.1'] }), keyOf({ extraHosts: ['db:10.0.0.2'] }));
    assert.notEqual(keyOf({ extraHosts: ['db:10.0.0.1'] }), keyOf({ extraHosts: ['www:10.0.0.1'] }));
    assert.equal(keyOf({ network: 'host' }, offline), keyOf({ network: 'none' }, offline));
    assert.equal(keyOf({ network: 'none' }), keyOf({}, offline));
    assert.equal(keyOf({ limits: { Memory: 1 << 30 } }), keyOf({}), 'nor do limits of resources');
  });

  test('changes with what the step does and on which layers', () => {
    const run = firstRun('FROM a\nRUN x');
    const key = runKey(chain, run, [], undefined, plain);
    assert.equal(
      runKey(chain, firstRun('FROM a\n\nRUN   x'), [], undefined, plain),
      key,
      'not with white space',
    );
    for (const changed of [
      'RUN y',
      'ENV A=1\nRUN x',
      'USER u\nRUN x',
      'WORKDIR /w\nRUN x',
      'RUN --network=none x',
      'RUN --mount=type=tmpfs,target=/t x',
    ]) {
      assert.notEqual(runKey(chain, firstRun(`FROM a\n${changed}`), [], undefined, plain), key, changed);
    }
    assert.notEqual(runKey(other, run, [], undefined, plain), key);
    assert.notEqual(runKey(chain, run, ['input'], undefined, plain), key);
    assert.notEqual(runKey(chain, run, [], 1, plain), key);
  });

  test('of a COPY changes with the files, and with --link not with the layers below', () => {
    const plain = copy('FROM a\nCOPY x /y');
    assert.equal(
      copyKey(chain, plain, 'digest', undefined),
      copyKey(chain, copy('FROM a\nCOPY other /y'), 'digest', undefined),
    );
    assert.notEqual(copyKey(chain, plain, 'digest', undefined), copyKey(chain, plain, 'changed', undefined));
    assert.notEqual(copyKey(chain, plain, 'digest', undefined), copyKey(other, plain, 'digest', undefined));
    const linked = copy('FROM a\nCOPY --link x /y');
    assert.equal(copyKey(chain, linked, 'digest', undefined), copyKey(other, linked, 'digest', undefined));
  });
});

test('the image document is the same for the same parts, and is as old as its last step', () => {
  const history = [historyEntry('RUN x', 1_000, true), historyEntry('CMD y', 1_000, false)];
  const parts = { platform: ARM, author: undefined, config: { Labels: { z: '1' } }, diffIds: [], history };
  const document = imageDocument({
    ...parts,
    labels: new Map([
      ['b', '2'],
      ['a', '1'],
    ]),
  });
  assert.deepEqual(
    document,
    imageDocument({
      ...parts,
      labels: new Map([
        ['a', '1'],
        ['b', '2'],
      ]),
    }),
  );
  const value = JSON.parse(document.toString());
  assert.deepEqual(
    [value.created, value.variant, value.config.Labels],
    ['1970-01-01T00:00:01.000Z', 'v7', { a: '1', b: '2', z: '1' }],
  );
  assert.deepEqual(value.history[1], {
    created: '1970-01-01T00:00:01.000Z',
    created_by: 'CMD y',
    comment: 'buildkit.dockerfile.v0',
    empty_layer: true,
  });
});
