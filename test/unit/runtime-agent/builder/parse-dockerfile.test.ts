import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Instruction } from '../../../../runtime-agent/builder/frontend/instruction.ts';
import { parseDockerfile } from '../../../../runtime-agent/builder/frontend/parse-dockerfile.ts';
import { EngineError } from '../../../../runtime-agent/errors.ts';

function instructions(body: string): readonly Instruction[] {
  return parseDockerfile('Dockerfile', `FROM base\n${body}`).stages[0]?.instructions ?? [];
}

type Of<Kind, Each = Instruction> = Each extends { readonly kind: infer Kinds }
  ? Kind extends Kinds
    ? Each
    : never
  : never;

function only<Kind extends Instruction['kind']>(body: string, kind: Kind): Of<Kind> {
  const [found, ...more] = instructions(body);
  assert.equal(more.length, 0);
  assert.equal(found?.kind, kind);
  return found as Of<Kind>;
}

describe('a Dockerfile', () => {
  test('has stages, and arguments before them', () => {
    const { stages, globalArguments } = parseDockerfile(
      'Dockerfile',
      'ARG V=1\nFROM --platform=linux/arm64 a:$V AS One\nRUN x\nfrom one\n',
    );
    assert.deepEqual(
      globalArguments.flatMap(({ pairs }) => pairs),
      [{ name: 'V', value: '1' }],
    );
    assert.deepEqual(
      stages.map(({ from }) => [from.image, from.name, from.platform]),
      [
        ['a:$V', 'one', 'linux/arm64'],
        ['one', undefined, undefined],
      ],
    );
  });

  test('joins continued lines, past comments and empty lines, and knows where each instruction stands', () => {
    const [run, env] = instructions('RUN a \\\n  # no\n\n  && b\nENV A=1');
    assert.deepEqual(run?.kind === 'run' && run.command, { form: 'shell', text: 'a   && b' });
    assert.deepEqual([run?.at.line, run?.at.endLine, env?.at.line], [2, 5, 6]);
  });

  test('may end within a continued line, and may be written on Windows', () => {
    assert.deepEqual(only('RUN a \\\n', 'run').command, { form: 'shell', text: 'a' });
    const { stages } = parseDockerfile('Dockerfile', '\uFEFFFROM a\r\nRUN b \\\r\n  c\r\n');
    assert.equal(stages[0]?.instructions[0]?.text, 'RUN b   c');
  });

  test('tells the exec form from the shell form', () => {
    assert.deepEqual(only('CMD ["a", "b c"]', 'cmd').command, { form: 'exec', words: ['a', 'b c'] });
    assert.deepEqual(only('CMD [a, b]', 'cmd').command, { form: 'shell', text: '[a, b]' });
    assert.deepEqual(only("CMD ['a']", 'cmd').command, { form: 'shell', text: "['a']" });
  });

  test('has documents', () => {
    assert.deepEqual(only('RUN <<EOF\na\n  b\nEOF', 'run').command, { form: 'shell', text: 'a\n  b\n' });
    assert.equal(only('RUN <<EOF\n#!/bin/x\nEOF', 'run').script?.content, '#!/bin/x\n');
    assert.deepEqual(only('RUN cat <<A - <<-"B" > x\n1\nA\n\t2\n\tB\n', 'run').command, {
      form: 'shell',
      text: 'cat <<A - <<-"B" > x\n1\nA\n2\nB',
    });
    const copy = only("COPY <<a <<'b' c /d/\n$x\na\n$y\nb", 'copy');
    assert.deepEqual(copy.sources, ['c']);
    assert.deepEqual(
      copy.documents.map(({ name, content, expands }) => [name, content, expands]),
      [
        ['a', '$x\n', true],
        ['b', '$y\n', false],
      ],
    );
    assert.deepEqual(only('RUN echo "<<EOF"', 'run').command, { form: 'shell', text: 'echo "<<EOF"' });
  });

  test('has flags', () => {
    const copy = only('COPY --from=0 --chown=a:b --link --exclude=x --exclude=y s d', 'copy');
    assert.deepEqual(
      [copy.from, copy.chown, copy.link, copy.exclude],
      [{ kind: 'named', name: '0' }, 'a:b', true, ['x', 'y']],
    );
    assert.equal(only('COPY --link=false s d', 'copy').link, false);
    const [mount] = only('RUN --mount=type=cache,id=i,dst=/c,sharing=locked,mode=0700,ro x', 'run').mounts;
    assert.deepEqual(
      mount?.type === 'cache' && [mount.id, mount.target, mount.sharing, mount.mode, mount.readonly],
      ['i', '/c', 'locked', 0o700, true],
    );
    const [secret] = only('RUN --mount=type=secret,id=s,target=/s,required x', 'run').mounts;
    assert.deepEqual(secret?.type === 'secret' && [secret.id, secret.target, secret.required], [
      's',
      '/s',
      true,
    ]);
  });

  test('has health checks, whose times are nanoseconds', () => {
    const { healthcheck } = only(
      'HEALTHCHECK --interval=1m30s --timeout=500ms --retries=2 CMD ["a"]',
      'healthcheck',
    );
    assert.deepEqual(healthcheck, { Test: ['CMD', 'a'], Interval: 90e9, Timeout: 5e8, Retries: 2 });
    assert.deepEqual(only('HEALTHCHECK none', 'healthcheck').healthcheck, { Test: ['NONE'] });
  });
});

describe('a Dockerfile that is wrong is told file, line, instruction and the line itself', () => {
  for (const [text, message] of [
    ['', /^Dockerfile:1: the Dockerfile cannot be empty/],
    ['# only\n', /^Dockerfile:1: file with no instructions/],
    ['\n\n\t\n', /^Dockerfile:1: file with no instructions/],
    ['ARG A\n', /has no FROM/],
    ['RUN x', /^Dockerfile:1: RUN: no build stage in current context.*\n {2}1 \| RUN x$/],
    ['FROM a\n\nRNU x', /^Dockerfile:3: unknown instruction: RNU \(did you mean RUN\?\)\n {2}3 \| RNU x$/],
    ['FROM a\nXYZZY x', /^Dockerfile:2: unknown instruction: XYZZY\n/],
    ['FROM a\nCOPY --form=b c d', /COPY: unknown flag: --form \(did you mean --from\?\)/],
    ['FROM a\nENV --x=y A=b', /ENV/],
    ['FROM a\nCOPY --chown=a --chown=b c d', /duplicate flag specified: --chown/],
    ['FROM a\nCOPY --from c d', /the flag --from needs a value/],
    ['FROM a\nCOPY --link=maybe c d', /expecting boolean value for flag --link/],
    ['FROM a\nCOPY x', /COPY requires at least two arguments/],
    ['FROM a\nRUN', /RUN requires at least one argument/],
    ['FROM a\nRUN --mount=type=cahce,target=/x y', /unsupported mount type "cahce" \(did you mean cache\?\)/],
    ['FROM a\nRUN --mount=type=cache y', /a mount needs a target/],
    ['FROM a\nRUN --mount=type=bind,tagret=/x y', /unexpected key 'tagret'.*did you mean target/],
    ['FROM a\nRUN --mount=type=bind,from=$x,target=/x y', /'from' doesn't support variable expansion/],
    ['FROM a\nRUN --network=bridge y', /invalid network mode "bridge"/],
    ['FROM a\nRUN --security=none y', /security "none" is not valid/],
    ['FROM a\nCOPY <<.. /dst/\nx\n..', /^Dockerfile:2: COPY: the heredoc <<\.\. cannot be a file/],
    ['FROM a\nADD <<. /dst\nx\n.', /^Dockerfile:2: ADD: the heredoc <<\. cannot be a file/],
    ['FROM a\nCOPY b <<../c /dst/\nx\n../c', /^Dockerfile:2: COPY: the heredoc <<\.\.\/c cannot be a file/],
    ['FROM a\nRUN <<../x\n#!/bin/sh\n../x', /^Dockerfile:2: RUN: the heredoc <<\.\.\/x cannot be a file/],
    ['FROM a\nRUN <<EOF\nx', /^Dockerfile:2: unterminated heredoc: no line is "EOF"/],
    ['FROM a\nENV A', /ENV must have two arguments/],
    ['FROM a\nENV A=1 B', /can't find = in "B"/],
    ['FROM a\nENV =1', /names can not be blank/],
    ['FROM a\nSHELL sh -c', /requires the arguments to be in JSON form/],
    ['FROM a\nHEALTHCHECK curl x', /unknown type "curl"/],
    ['FROM a\nHEALTHCHECK --interval=soon CMD x', /--interval is not a duration: soon/],
    ['FROM a\nONBUILD FROM b', /FROM isn't allowed as an ONBUILD trigger/],
    ['FROM a\nONBUILD ONBUILD RUN x', /isn't allowed/],
    ['FROM a\nONBUILD RNU x', /unknown instruction: RNU/],
    ['FROM a AS b AS c', /FROM requires either one or three arguments/],
    ['FROM a AS 1b', /invalid name for build stage/],
    ['# escape=x\nFROM a', /invalid ESCAPE "x"/],
    ['# escape=`\n# escape=`\nFROM a', /only one escape parser directive/],
    ['# syntax=example.com/other:1\nFROM a', /runs no frontend images/],
  ] as const) {
    test(JSON.stringify(text), () => {
      assert.throws(
        () => parseDockerfile('Dockerfile', text),
        (error: unknown) => {
          assert.ok(error instanceof EngineError && error.code === 'bad-request', String(error));
          assert.match(error.message, message);
          return true;
        },
      );
    });
  }
});
