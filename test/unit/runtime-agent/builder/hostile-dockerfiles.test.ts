// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the variables of Dockerfiles.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { lintDockerfile } from '../../../../runtime-agent/builder/frontend/lint/lint-dockerfile.ts';
import { parseDockerfile } from '../../../../runtime-agent/builder/frontend/parse-dockerfile.ts';
import { announcedSteps } from '../../../../runtime-agent/builder/solver/announce.ts';
import { globalScope, platformArguments } from '../../../../runtime-agent/builder/solver/build-arguments.ts';
import { neededStages } from '../../../../runtime-agent/builder/solver/needed-stages.ts';
import { planStage } from '../../../../runtime-agent/builder/solver/plan-stage.ts';
import { targetStage } from '../../../../runtime-agent/builder/solver/stage-sources.ts';
import type { StagePlan } from '../../../../runtime-agent/builder/solver/step.ts';

const AMD64 = { os: 'linux', architecture: 'amd64' };
const MEBIBYTE = 1 << 20;

/** Everything that is decided of a Dockerfile before its first step. */
function plan(text: string): readonly StagePlan[] {
  assert.ok(text.length <= MEBIBYTE, 'no API takes a longer one');
  const dockerfile = parseDockerfile('Dockerfile', text);
  const none = new Map<string, never>();
  const global = globalScope(dockerfile, none, platformArguments(AMD64, AMD64, 'default'));
  const scope = { dockerfile, global, namedContexts: none };
  const plans = new Map<number, StagePlan>();
  for (const needed of neededStages(scope, targetStage(dockerfile, undefined), () => [])) {
    const { base, stage } = needed;
    const baseConfig = base.kind === 'stage' ? (plans.get(base.index)?.config ?? {}) : {};
    plans.set(stage.index, planStage({ scope, needed, baseConfig, given: none }));
  }
  Array.from(announcedSteps([...plans.values()]));
  lintDockerfile(dockerfile, { skip: new Set(), failsBuild: false });
  return [...plans.values()];
}

const lines = (count: number, line: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => line(index)).join('\n');

const pairs = (count: number) => Array.from({ length: count }, (_, index) => `V${index}=v`).join(' ');

describe('Dockerfiles that want more than they are worth are refused in a sentence', () => {
  for (const [what, text, message] of [
    [
      'variables that double with each line',
      `FROM scratch\nENV A0=xxxxxxxxxx\n${lines(60, (index) => `ENV A${index + 1}=$A${index}$A${index}`)}`,
      /ENV: failed to process .*: it comes to more than 4194304 characters/,
    ],
    [
      'arguments before FROM that do so, in quotes',
      `ARG A0=xxxxxxxxxx\n${lines(60, (index) => `ARG A${index + 1}="$A${index}$A${index}"`)}\nFROM scratch`,
      /ARG: failed to process/,
    ],
    [
      'many large ones',
      `FROM scratch\nENV A=${'x'.repeat(500_000)}\n${lines(4000, (index) => `LABEL l${index}=$A${'$A'.repeat(3)}`)}`,
      /the file comes to more than 67108864 characters when it is expanded/,
    ],
    [
      'many large ones in one instruction',
      `FROM scratch\nENV A=${'x'.repeat(500_000)}\nLABEL ${Array.from({ length: 30_000 }, (_, index) => `l${index}=$A`).join(' ')}`,
      /comes to more than/,
    ],
    [
      'nested variables',
      `FROM scratch\nENV A=${'${a:-'.repeat(200_000)}`,
      /variables are nested more than 100 deep/,
    ],
    [
      'nested variables in quotes',
      `FROM scratch\nENV A="${'${a:-'.repeat(150_000)}${'}'.repeat(150_000)}"`,
      /variables are nested more than 100 deep/,
    ],
    [
      'long patterns',
      `FROM scratch\nARG A=${'a'.repeat(200_000)}\nENV B=\${A//*${'a'.repeat(100_000)}b*c/x}`,
      /the pattern .* is too much for a value of 200000 characters/,
    ],
    [
      'long patterns at the end',
      `FROM scratch\nARG A=${'a'.repeat(200_000)}\nENV B=\${A%%c*b${'a'.repeat(100_000)}*}`,
      /is too much for a value of 200000 characters/,
    ],
    [
      'many patterns',
      `FROM scratch\nARG A=${'a'.repeat(100_000)}\n${lines(500, () => 'ENV B=${A##*aaaaaaaaab}')}`,
      /is too much for a value of 100000 characters/,
    ],
    [
      'replacements that grow',
      `FROM scratch\nARG A=${'a'.repeat(9000)}\nENV B=\${A//a/${'b'.repeat(9000)}}`,
      /comes to more than/,
    ],
    ['ports', `FROM scratch\nEXPOSE ${'1-65535 '.repeat(100_000)}`, /EXPOSE: the file comes to more than/],
    [
      'labels on labels',
      `FROM scratch\nLABEL ${pairs(20_000)}\n${lines(4000, (index) => `LABEL l${index}=`)}`,
      /LABEL: the file comes to more than/,
    ],
    ['variables', `FROM scratch\nENV ${pairs(80_000)}`, /ENV: a stage has more than 2000 variables/],
    ['arguments', `FROM scratch\nARG ${pairs(80_000)}\nRUN a`, /ARG: a stage has more than 2000 variables/],
    [
      'stages',
      lines(10_000, (index) => `FROM ${index === 0 ? 'scratch' : `s${index - 1}`} AS s${index}`),
      /more than (1000 stages|5000 instructions)/,
    ],
    [
      'stages, some fewer',
      lines(4000, (index) => `FROM scratch AS s${index}`),
      /FROM: the Dockerfile has more than 1000 stages/,
    ],
    ['instructions', `FROM scratch\n${lines(100_000, () => 'RUN a')}`, /more than 5000 instructions/],
    [
      'documents without an end',
      `FROM scratch\n${lines(50_000, (index) => `RUN <<E${index}`)}`,
      /unterminated heredoc/,
    ],
    [
      'one instruction with documents without an end',
      `FROM scratch\nRUN ${Array.from({ length: 50_000 }, (_, index) => `<<E${index}`).join(' ')}\n`,
      /unterminated heredoc/,
    ],
  ] as const) {
    test(what, () => {
      assert.throws(
        () => plan(text),
        (error: Error) => {
          assert.match(error.message, message);
          assert.ok(error.message.length < 3000, 'the message is short');
          return true;
        },
      );
    });
  }
});

describe('large Dockerfiles that mean no harm are planned', () => {
  for (const [what, text] of [
    [
      'a thousand stages',
      lines(1000, (index) => `FROM ${index === 0 ? 'scratch' : `s${index - 1}`} AS s${index}`),
    ],
    [
      'variables and steps',
      `FROM scratch\n${lines(2000, (index) => `ENV V${index}=value\nRUN echo $V${index}`)}`,
    ],
    [
      'variables at once',
      `FROM scratch\nENV ${pairs(1900)}\nARG ${pairs(1900)}\n${lines(2000, () => 'RUN a')}`,
    ],
    ['a document', `FROM scratch\nCOPY <<E /e\n${lines(20_000, () => 'twenty-five characters $A')}\nE\n`],
    ['a long line', `FROM scratch\nRUN ${lines(20_000, (index) => `echo ${index} && \\`)}\n  true\n`],
    [
      'patterns that could be tried in many ways',
      `FROM scratch\nARG A=${'a'.repeat(5000)}\nENV B=\${A//*a*a*a*a*a*b/x} C=\${A##*a*a*a*a*a*b} D=\${A%%*a*a*a*a*a*b}`,
    ],
    ['a pattern at the end', `FROM scratch\nARG A=${'a'.repeat(500_000)}\nENV B=\${A%%*b}`],
    ['a long duration', `FROM scratch\nHEALTHCHECK --interval=1${'0'.repeat(20)}ms CMD true`],
    ['nested variables', `FROM scratch\nENV A=${'${a:-'.repeat(50)}x${'}'.repeat(50)}`],
  ] as const) {
    test(what, () => {
      assert.ok(plan(text).length > 0);
    });
  }
});
