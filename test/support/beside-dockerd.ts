import assert from 'node:assert/strict';
import type { Docker } from './docker-cli.ts';
import { eventually } from './eventually.ts';
import type { CommandOptions } from './run-command.ts';

/** A permitted difference. Matching text is replaced on both sides before they are compared. */
export interface AllowedDifference {
  /** Why that is right, or does not matter. */
  readonly reason: string;
  readonly pattern: RegExp;
  readonly by: string;
}

/** Differences between any two runs of one script, even on one daemon. */
export const ALWAYS_DIFFERENT: readonly AllowedDifference[] = [
  { reason: 'digests of images', pattern: /sha256:[0-9a-f]{64}/g, by: 'DIGEST' },
  { reason: 'IDs are drawn at random', pattern: /\b[0-9a-f]{64}\b/g, by: 'ID' },
  { reason: 'so are short IDs', pattern: /\b[0-9a-f]{12}\b/g, by: 'SHORT' },
  { reason: 'moments', pattern: /\b\d{4}-\d\d-\d\dT[0-9:.]+Z/g, by: 'MOMENT' },
  { reason: 'durations', pattern: /(Less than a second|About a minute|\d+ (second|minute)s?)/g, by: 'TIME' },
];

/** Differences because the agent is not dockerd. */
export const OTHER_ENGINE: readonly AllowedDifference[] = [
  { reason: 'the agent prefers crun', pattern: /\b(crun|runc)\b/g, by: 'RUNTIME' },
  { reason: 'names that an engine invents', pattern: /\b[a-z]+_[a-z]+\b(?=$|\n)/g, by: 'NAME' },
  { reason: 'the agent leaves docker0 alone', pattern: /\b(docker0|berth0)\b/g, by: 'BRIDGE' },
];

/** One command of a script: its arguments, or these with input and more. */
export type DockerStep =
  | readonly string[]
  | ({
      readonly args: readonly string[];
      /** What it shall have printed: it is run again until it has, for what comes about in an engine's own time. */
      readonly until?: RegExp;
      /** The lines that it prints are compared in any order, such as those of processes, whose numbers begin anew at times. */
      readonly inAnyOrder?: boolean;
    } & CommandOptions);

/** Runs one script on the agent and on dockerd. */
export interface BesideDockerd {
  /**
   * Runs the commands one after the other on both, whatever their exit codes, and asserts that each printed the same with
   * the same code. Answers what the agent printed, normalised: the first line is the command, the second the exit code.
   */
  same(...steps: readonly DockerStep[]): Promise<readonly string[]>;
  /** As `same`, with what may differ in this script only. */
  sameBut(allowed: readonly AllowedDifference[], ...steps: readonly DockerStep[]): Promise<readonly string[]>;
}

/** `allowed` are differences permitted in all scripts, beside ALWAYS_DIFFERENT and OTHER_ENGINE. */
export function besideDockerd(
  agent: Pick<Docker, 'docker'>,
  dockerd: Pick<Docker, 'docker'>,
  allowed: readonly AllowedDifference[] = [],
): BesideDockerd {
  const sameBut: BesideDockerd['sameBut'] = async (more, ...steps) => {
    const differences = [...more, ...allowed, ...ALWAYS_DIFFERENT, ...OTHER_ENGINE];
    const [ours, theirs] = await Promise.all([
      runScript(agent, steps, differences),
      runScript(dockerd, steps, differences),
    ]);
    assert.deepEqual(ours, theirs);
    return ours;
  };
  return { sameBut, same: (...steps) => sameBut([], ...steps) };
}

async function runScript(
  { docker }: Pick<Docker, 'docker'>,
  steps: readonly DockerStep[],
  differences: readonly AllowedDifference[],
): Promise<readonly string[]> {
  const printed: string[] = [];
  for (const step of steps) {
    const { args, until = /^/, inAnyOrder = false, ...options } = 'args' in step ? step : { args: step };
    const { exitCode, stdout, stderr } = await eventually(`${args.join(' ')} prints ${until}`, async () => {
      const result = await docker(args, { ...options, expectExit: 'any' });
      return until.test(result.stdout) ? result : undefined;
    });
    const text = normalize(`${args.join(' ')}\n${exitCode}\n${stdout}${stderr}`, differences);
    const [command = '', code = '', ...lines] = text.split('\n');
    printed.push(inAnyOrder ? [command, code, ...lines.sort()].join('\n') : text);
  }
  return printed;
}

/** Replaces all permitted differences in a text. */
export function normalize(text: string, differences: readonly AllowedDifference[]): string {
  return differences.reduce((rest, { pattern, by }) => rest.replace(pattern, by), text);
}
