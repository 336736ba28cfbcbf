import type { CheckOptions } from '../directives.ts';
import type { Location } from '../dockerfile-text.ts';
import type { Instruction } from '../instruction.ts';
import type { Dockerfile, Stage } from '../parse-dockerfile.ts';

/** A possible improvement of a Dockerfile, with BuildKit's name and message. */
export interface Finding {
  readonly rule: string;
  readonly message: string;
  readonly at: Location;
}

type Rule = (dockerfile: Dockerfile) => Iterable<Omit<Finding, 'rule'>>;

const RULES: Readonly<Record<string, Rule>> = {
  ConsistentInstructionCasing: function* (dockerfile) {
    const all = instructionsOf(dockerfile).map(({ at }) => ({ at, word: wordsOf(at)[0] ?? '' }));
    const lower = all.filter(({ word }) => word === word.toLowerCase()).length;
    const wantsLower = lower > all.length - lower;
    for (const { at, word } of all) {
      if (word === (wantsLower ? word.toLowerCase() : word.toUpperCase())) continue;
      const casing = wantsLower ? 'lowercase' : 'uppercase';
      yield { at, message: `Command '${word}' should match the case of the command majority (${casing})` };
    }
  },
  FromAsCasing: function* ({ stages }) {
    for (const { from } of stages) {
      const words = wordsOf(from.at);
      const as = words.find((word) => word.toUpperCase() === 'AS');
      const isSame = as === undefined || (as === 'AS') === (words[0] === words[0]?.toUpperCase());
      if (!isSame) yield { at: from.at, message: `'${as}' and '${words[0]}' keywords' casing do not match` };
    }
  },
  StageNameCasing: function* ({ stages }) {
    for (const { from } of stages) {
      const name = from.name === undefined ? undefined : wordsOf(from.at).at(-1);
      if (name === undefined || name === name.toLowerCase()) continue;
      yield { at: from.at, message: `Stage name '${name}' should be lowercase` };
    }
  },
  ReservedStageName: function* ({ stages }) {
    for (const { from } of stages) {
      if (from.name !== 'scratch' && from.name !== 'context') continue;
      yield {
        at: from.at,
        message: `Stage name should not use the same name as reserved stage "${from.name}"`,
      };
    }
  },
  MaintainerDeprecated: function* (dockerfile) {
    for (const { kind, at } of instructionsOf(dockerfile)) {
      if (kind !== 'maintainer') continue;
      yield { at, message: 'Maintainer instruction is deprecated in favor of using label' };
    }
  },
  MultipleInstructionsDisallowed: function* ({ stages }) {
    for (const { instructions } of stages) {
      for (const kind of ['cmd', 'entrypoint', 'healthcheck'] as const) {
        for (const { at } of instructions.filter((each) => each.kind === kind).slice(0, -1)) {
          const name = kind.toUpperCase();
          yield {
            at,
            message: `Multiple ${name} instructions should not be used in the same stage because only the last one will be used`,
          };
        }
      }
    }
  },
  JSONArgsRecommended: function* ({ stages }) {
    for (const { instructions } of stages) {
      // An author who sets a shell wants it.
      if (instructions.some(({ kind }) => kind === 'shell')) continue;
      for (const instruction of instructions) {
        if (instruction.kind !== 'cmd' && instruction.kind !== 'entrypoint') continue;
        if (instruction.command.form === 'exec') continue;
        const name = instruction.kind.toUpperCase();
        yield {
          at: instruction.at,
          message: `JSON arguments recommended for ${name} to prevent unintended behavior related to OS signals`,
        };
      }
    }
  },
  WorkdirRelativePath: function* ({ stages }) {
    for (const { instructions } of stages) {
      const first = instructions.find(({ kind }) => kind === 'workdir');
      if (first?.kind !== 'workdir' || /^["']?[/$]/.test(first.value)) continue;
      yield {
        at: first.at,
        message: `Relative workdir "${first.value}" can have unexpected results if the base image changes`,
      };
    }
  },
  SecretsUsedInArgOrEnv: function* (dockerfile) {
    for (const instruction of instructionsOf(dockerfile)) {
      const names =
        instruction.kind === 'arg'
          ? instruction.pairs.map(({ name }) => name)
          : instruction.kind === 'env'
            ? instruction.pairs.map(({ key }) => key)
            : [];
      for (const name of names.filter(isSecretName)) {
        const keyword = instruction.kind.toUpperCase();
        yield {
          at: instruction.at,
          message: `Do not use ARG or ENV instructions for sensitive data (${keyword} "${name}")`,
        };
      }
    }
  },
};

/** Returns the findings of the rules that are not skipped, ordered by line. */
export function lintDockerfile(dockerfile: Dockerfile, { skip }: CheckOptions): readonly Finding[] {
  if (skip === 'all') return [];
  const findings = Object.entries(RULES)
    .filter(([rule]) => !skip.has(rule))
    .flatMap(([rule, find]) => [...find(dockerfile)].map((found) => ({ rule, ...found })));
  return findings.sort((a, b) => a.at.line - b.at.line);
}

function instructionsOf({ globalArguments, stages }: Dockerfile): readonly Instruction[] {
  const ofStage = ({ from, instructions }: Stage) => [from, ...instructions];
  return [...globalArguments, ...stages.flatMap(ofStage)];
}

/** Returns the words as written. */
function wordsOf({ text, line, endLine }: Location): readonly string[] {
  return text.lines
    .slice(line - 1, endLine)
    .join(' ')
    .trim()
    .split(/[\s\\`]+/)
    .filter(Boolean);
}

const SECRET =
  /(?:^|_)(?:apikey|auth|credentials?|git_?auth_?token|key|password|pword|passwd|pwd|secret|token)(?:$|_)/i;
const PUBLIC = /(?:^|_)public(?:$|_)/i;

/** Reports whether a variable is secret, by its name. */
export function isSecretName(name: string): boolean {
  return SECRET.test(name) && !PUBLIC.test(name);
}
