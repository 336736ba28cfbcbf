import { posix } from 'node:path';
import { dockerfileError } from '../frontend/dockerfile-text.ts';
import type { Instruction, RunMount } from '../frontend/instruction.ts';
import { isSecretName } from '../frontend/lint/lint-dockerfile.ts';
import { givenProxies } from './build-arguments.ts';
import type { Planned, StageScope } from './stage-scope.ts';
import { copySource } from './stage-sources.ts';
import type { StepMount } from './step.ts';

type Run = Extract<Instruction, { readonly kind: 'run' }>;

/** Plans a RUN: program, environment and mounts. Throws EngineError 'bad-request'. */
export function planRun(scope: StageScope, instruction: Run): Planned {
  const { state } = scope;
  const { command, script } = instruction;
  const args =
    script === undefined
      ? command.form === 'exec'
        ? command.words
        : [...state.shell, command.text]
      : [`/dev/pipes/${script.name}`];
  const shown = state
    .argumentsForHistory()
    .map(({ name, value }) => `${name}=${isSecretName(name) && value !== '' ? '<hidden>' : value}`);
  const prefix = shown.length === 0 ? '' : `|${shown.length} ${shown.join(' ')} `;
  return {
    history: `RUN ${prefix}${args.join(' ')} # buildkit`,
    op: {
      kind: 'run',
      args,
      env: state.environmentForRun(),
      hiddenEnv: givenProxies(scope.given),
      cwd: state.workingDirectory,
      user: state.config.User ?? '',
      network: instruction.network,
      security: instruction.security,
      mounts: instruction.mounts.map((mount) => planMount(scope, instruction, mount)),
      script: script === undefined ? undefined : { name: script.name, content: script.content },
    },
  };
}

function planMount(scope: StageScope, instruction: Run, mount: RunMount): StepMount {
  const { names, needed, state } = scope;
  const expand = (text: string) => scope.expand(instruction, text);
  const target = (path: string) => {
    const resolved = posix.resolve(state.workingDirectory, expand(path));
    if (resolved === '/') throw dockerfileError(instruction.at, 'RUN: invalid mount target "/"');
    return resolved;
  };
  switch (mount.type) {
    case 'bind': {
      const from = copySource(names, needed.stage, instruction.at, mount.from);
      return { ...mount, from, source: expand(mount.source), target: target(mount.target) };
    }
    case 'cache': {
      const from =
        mount.from === undefined ? undefined : copySource(names, needed.stage, instruction.at, mount.from);
      const path = target(mount.target);
      return {
        ...mount,
        from,
        id: mount.id === undefined ? path : expand(mount.id),
        source: expand(mount.source),
        target: path,
      };
    }
    case 'tmpfs':
      return { ...mount, target: target(mount.target) };
    default:
      return {
        ...mount,
        id: expand(mount.id),
        target: mount.target === undefined ? undefined : target(mount.target),
      };
  }
}
