import { posix } from 'node:path';
import type { ImageConfigDefaults } from '../../../storage/oci/image-config.ts';
import { dockerfileError } from '../frontend/dockerfile-text.ts';
import { expandWords } from '../frontend/expand.ts';
import type { Command, Instruction, RunMount } from '../frontend/instruction.ts';
import { expandAt, type GivenArguments, givenProxies } from './build-arguments.ts';
import { goList, goSet } from './go-text.ts';
import type { NeededStage } from './needed-stages.ts';
import { isSecretName } from './secret-names.ts';
import { copySource, type NameScope } from './stage-sources.ts';
import { StageState } from './stage-state.ts';
import type { InlineFile, StagePlan, Step, StepMount, Work } from './step.ts';

export interface StageInputs {
  readonly scope: NameScope;
  readonly needed: NeededStage;
  /** Of what the stage stands on. */
  readonly baseConfig: ImageConfigDefaults;
  readonly given: GivenArguments;
}

type Run = Extract<Instruction, { readonly kind: 'run' }>;

/** Takes the instructions of a stage in, in their order. Throws EngineError 'bad-request' that names the instruction. */
export function planStage(inputs: StageInputs): StagePlan {
  const { needed, baseConfig } = inputs;
  const { stage, base } = needed;
  const planner = new StagePlanner(inputs, new StageState(baseConfig));
  const steps: Step[] = [];
  for (const [index, instruction] of needed.instructions.entries()) {
    const { history, work } = planner.take(instruction);
    const { at, text } = instruction;
    steps.push({ id: `${stage.index}.${index + 1}`, at, text, work, history });
  }
  const { state } = planner;
  const name = stage.from.name;
  return {
    index: stage.index,
    name,
    title: name ?? (inputs.scope.dockerfile.stages.length === 1 ? '' : `stage-${stage.index}`),
    base,
    baseText: stage.from.text,
    fromId: `${stage.index}.0`,
    steps,
    config: state.config,
    author: state.author,
    takenArguments: planner.taken,
  };
}

class StagePlanner {
  readonly state: StageState;
  readonly taken = new Set<string>();
  readonly #inputs: StageInputs;

  constructor(inputs: StageInputs, state: StageState) {
    this.#inputs = inputs;
    this.state = state;
  }

  take(instruction: Instruction): { readonly history: string; readonly work: Work | undefined } {
    const { state } = this;
    switch (instruction.kind) {
      case 'arg':
        return { history: this.#arguments(instruction), work: undefined };
      case 'env':
        return { history: this.#environment(instruction), work: undefined };
      case 'label': {
        const pairs = instruction.pairs.map(({ key, value }) => [
          this.#expand(instruction, key),
          this.#expand(instruction, value),
        ]);
        state.config.Labels = { ...state.config.Labels, ...Object.fromEntries(pairs) };
        return config(`LABEL ${pairs.map(([key, value]) => `${key}=${value}`).join(' ')}`);
      }
      case 'run':
        return this.#run(instruction);
      case 'copy':
      case 'add':
        return this.#copy(instruction);
      case 'workdir':
        return this.#workdir(this.#expand(instruction, instruction.value));
      case 'cmd': {
        const words = this.#command(instruction.command);
        state.config.Cmd = words;
        state.commandIsOwn = true;
        return config(`CMD ${goList(words)}`);
      }
      case 'entrypoint': {
        const words = this.#command(instruction.command);
        state.config.Entrypoint = words;
        if (!state.commandIsOwn) delete state.config.Cmd;
        return config(`ENTRYPOINT ${goList(words)}`);
      }
      case 'user': {
        state.config.User = this.#expand(instruction, instruction.value);
        return config(`USER ${state.config.User}`);
      }
      case 'stopsignal': {
        const signal = this.#expand(instruction, instruction.value);
        if (!/^(?:SIG)?[A-Z][A-Z0-9+-]*$|^\d{1,2}$/i.test(signal)) {
          throw dockerfileError(instruction.at, `STOPSIGNAL: invalid signal: ${signal.slice(0, 40)}`);
        }
        state.config.StopSignal = signal;
        return config(`STOPSIGNAL ${signal}`);
      }
      case 'maintainer':
        state.author = instruction.value;
        return config(`MAINTAINER ${instruction.value}`);
      case 'expose': {
        const ports = instruction.values.flatMap((value) => this.#ports(instruction, value));
        state.config.ExposedPorts = {
          ...state.config.ExposedPorts,
          ...Object.fromEntries(ports.map((port) => [port, {}])),
        };
        return config(`EXPOSE ${goSet(ports)}`);
      }
      case 'volume': {
        const paths = instruction.values.map((value) => this.#expand(instruction, value));
        state.config.Volumes = {
          ...state.config.Volumes,
          ...Object.fromEntries(paths.map((path) => [path, {}])),
        };
        return config(`VOLUME [${paths.join(' ')}]`);
      }
      case 'shell':
        state.config.Shell = instruction.words;
        return config(`SHELL [${instruction.words.join(' ')}]`);
      case 'healthcheck':
        state.config.Healthcheck = { ...instruction.healthcheck };
        return config(instruction.text);
      case 'onbuild':
        state.config.OnBuild = [...(state.config.OnBuild ?? []), instruction.trigger];
        return config(`ONBUILD ${instruction.trigger}`);
      case 'from':
        throw new TypeError('a stage has one FROM');
    }
  }

  #expand(instruction: Instruction, text: string): string {
    const keyword = instruction.kind.toUpperCase();
    return expandAt(instruction.at, keyword, text, this.#inputs.scope.dockerfile, this.state.lookup);
  }

  #arguments(instruction: Extract<Instruction, { readonly kind: 'arg' }>): string {
    const { given, scope } = this.#inputs;
    const shown: string[] = [];
    for (const { name, value } of instruction.pairs) {
      this.taken.add(name);
      const own = value === undefined ? undefined : this.#expand(instruction, value);
      const chosen =
        given.get(name) ?? own ?? scope.global.values.get(name) ?? scope.global.platforms.get(name);
      this.state.args.set(name, chosen);
      shown.push(chosen === undefined ? name : `${name}=${isSecretName(name) ? '<hidden>' : chosen}`);
    }
    return `ARG ${shown.join(' ')}`;
  }

  /** Names set in one instruction are seen from the next one on. */
  #environment(instruction: Extract<Instruction, { readonly kind: 'env' | 'label' }>): string {
    const pairs = instruction.pairs.map(
      ({ key, value }) => [this.#expand(instruction, key), this.#expand(instruction, value)] as const,
    );
    for (const [key, value] of pairs) this.state.setEnvironment(key, value);
    return `ENV ${pairs.map(([key, value]) => `${key}=${value}`).join(' ')}`;
  }

  #command(command: Command): readonly string[] {
    return command.form === 'exec' ? command.words : [...this.state.shell, command.text];
  }

  #workdir(value: string): { readonly history: string; readonly work: Work } {
    const path = posix.resolve(this.state.workingDirectory, value);
    this.state.config.WorkingDir = path;
    return { history: `WORKDIR ${path}`, work: { kind: 'folder', path } };
  }

  #run(instruction: Run): { readonly history: string; readonly work: Work } {
    const { state } = this;
    const { command, script } = instruction;
    const args =
      script === undefined
        ? command.form === 'exec'
          ? command.words
          : [...state.shell, command.text]
        : [`/dev/pipes/${script.name}`];
    const buildArguments = state.argumentsForRun();
    const shown = buildArguments.map((entry) => {
      const [name = ''] = entry.split('=', 1);
      return isSecretName(name) ? `${name}=<hidden>` : entry;
    });
    const prefix = shown.length === 0 ? '' : `|${shown.length} ${shown.join(' ')} `;
    return {
      history: `RUN ${prefix}${args.join(' ')} # buildkit`,
      work: {
        kind: 'run',
        args,
        env: [...buildArguments, ...(state.config.Env ?? [])],
        hiddenEnv: givenProxies(this.#inputs.given),
        cwd: state.workingDirectory,
        user: state.config.User ?? '',
        network: instruction.network,
        mounts: instruction.mounts.map((mount) => this.#mount(instruction, mount)),
        script: script === undefined ? undefined : { name: script.name, content: script.content },
      },
    };
  }

  #mount(instruction: Run, mount: RunMount): StepMount {
    const { scope, needed } = this.#inputs;
    const expand = (text: string) => this.#expand(instruction, text);
    const target = (path: string) => posix.resolve(this.state.workingDirectory, expand(path));
    switch (mount.type) {
      case 'bind': {
        const from = copySource(scope, needed.stage, instruction.at, mount.from);
        return { ...mount, from, source: expand(mount.source), target: target(mount.target) };
      }
      case 'cache': {
        const from =
          mount.from === undefined ? undefined : copySource(scope, needed.stage, instruction.at, mount.from);
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

  #copy(instruction: Extract<Instruction, { readonly kind: 'copy' | 'add' }>): {
    readonly history: string;
    readonly work: Work;
  } {
    const { scope, needed } = this.#inputs;
    const expand = (text: string) => this.#expand(instruction, text);
    const sources = instruction.sources.map(expand);
    const documents = instruction.documents.map(
      (document): InlineFile => ({
        name: document.name,
        content: document.expands ? this.#document(instruction, document.content) : document.content,
      }),
    );
    const written = expand(instruction.destination);
    const resolved = posix.resolve(this.state.workingDirectory, written);
    const isFolder = /(?:^|\/)\.{0,2}$/.test(written);
    if (sources.length + documents.length > 1 && !isFolder) {
      throw dockerfileError(
        instruction.at,
        `${instruction.kind.toUpperCase()}: when using ${instruction.kind.toUpperCase()} with more than one source file, the destination must be a directory and end with a /`,
      );
    }
    const { chown, chmod } = instruction;
    const shown = [...sources, ...documents.map(({ name }) => name), written].join(' ');
    return {
      history: `${instruction.kind.toUpperCase()} ${shown} # buildkit`,
      work: {
        kind: 'copy',
        isAdd: instruction.kind === 'add',
        from: copySource(scope, needed.stage, instruction.at, instruction.from),
        sources,
        documents,
        destination: isFolder && resolved !== '/' ? `${resolved}/` : resolved,
        chown: chown === undefined ? undefined : expand(chown),
        chmod: chmod === undefined ? undefined : checkedMode(instruction, expand(chmod)),
        link: instruction.link,
        parents: instruction.parents,
        exclude: instruction.exclude.map(expand),
        checksum: instruction.checksum === undefined ? undefined : expand(instruction.checksum),
        unpack: instruction.unpack,
      },
    };
  }

  #document(instruction: Instruction, content: string): string {
    const { escapeToken } = this.#inputs.scope.dockerfile;
    const lookup = this.state.lookup;
    return expandAt(
      instruction.at,
      instruction.kind.toUpperCase(),
      content,
      { escapeToken, isDocument: true },
      lookup,
    );
  }

  #ports(instruction: Instruction, value: string): readonly string[] {
    const { escapeToken } = this.#inputs.scope.dockerfile;
    this.#expand(instruction, value);
    return expandWords(value, { escapeToken, lookup: this.state.lookup }).flatMap((word) => {
      const [, first, last, protocol = 'tcp'] =
        /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(word) ?? [];
      const from = Number(first);
      const to = last === undefined ? from : Number(last);
      if (first === undefined || from > 65535 || to > 65535 || to < from) {
        throw dockerfileError(instruction.at, `EXPOSE: invalid containerPort: ${word.slice(0, 80)}`);
      }
      return Array.from({ length: to - from + 1 }, (_, index) => `${from + index}/${protocol.toLowerCase()}`);
    });
  }
}

function config(history: string): { readonly history: string; readonly work: undefined } {
  return { history, work: undefined };
}

function checkedMode(instruction: Instruction, text: string): string {
  if (/^[0-7]{1,5}$/.test(text)) return text;
  throw dockerfileError(
    instruction.at,
    `${instruction.kind.toUpperCase()}: invalid chmod parameter ${JSON.stringify(text.slice(0, 40))}: it must be octal, such as 0755`,
  );
}
