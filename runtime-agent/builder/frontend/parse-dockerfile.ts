import { type CheckOptions, readDirectives } from './directives.ts';
import { type DockerfileText, dockerfileError, dockerfileText, type Location } from './dockerfile-text.ts';
import { ExpansionBudget } from './expansion-budget.ts';
import type { Instruction } from './instruction.ts';
import { type LogicalLine, logicalLines } from './logical-lines.ts';
import { parseInstruction } from './parse-instruction.ts';

/** A stage: a FROM and what follows it. */
export interface Stage {
  readonly index: number;
  readonly from: Extract<Instruction, { readonly kind: 'from' }>;
  readonly instructions: readonly Instruction[];
}

/** A parsed Dockerfile. */
export interface Dockerfile {
  readonly escapeToken: '\\' | '`';
  /** Budget of its expansions. */
  readonly budget: ExpansionBudget;
  /** The ARGs before the first FROM. */
  readonly globalArguments: readonly Extract<Instruction, { readonly kind: 'arg' }>[];
  readonly stages: readonly Stage[];
  /** Lint options. */
  readonly check?: CheckOptions;
  /** Position of the whole file, for failures without a line. */
  readonly at: Location;
}

/** Maximum instructions: more than any handwritten file has; a kernel stacks 500 layers. */
const MAX_INSTRUCTIONS = 5000;
const MAX_STAGES = 1000;

/** Reads a Dockerfile. Throws EngineError 'bad-request' that names file, line and instruction. */
export function parseDockerfile(name: string, content: string): Dockerfile {
  const text = dockerfileText(name, content);
  const { escapeToken, check } = readDirectives(text);
  const at: Location = { text, line: 1, endLine: 1 };
  const globalArguments: Extract<Instruction, { readonly kind: 'arg' }>[] = [];
  const stages: { index: number; from: Stage['from']; instructions: Instruction[] }[] = [];
  const lines = logicalLines(text, escapeToken);
  if (lines.length > MAX_INSTRUCTIONS) {
    throw dockerfileError(at, `the Dockerfile has more than ${MAX_INSTRUCTIONS} instructions`);
  }
  for (const line of lines) {
    const instruction = parseInstruction(line, escapeToken);
    const stage = stages.at(-1);
    if (instruction.kind === 'from') {
      if (stages.length === MAX_STAGES) {
        throw dockerfileError(line.at, `FROM: the Dockerfile has more than ${MAX_STAGES} stages`);
      }
      stages.push({ index: stages.length, from: instruction, instructions: [] });
    } else if (stage !== undefined) stage.instructions.push(instruction);
    else if (instruction.kind === 'arg') globalArguments.push(instruction);
    else
      throw dockerfileError(
        line.at,
        `${line.keyword}: no build stage in current context: a Dockerfile begins with FROM`,
      );
  }
  if (stages.length === 0) {
    throw dockerfileError(at, emptyWords(text, lines.length));
  }
  return {
    escapeToken,
    budget: new ExpansionBudget(),
    globalArguments,
    stages,
    at,
    ...(check === undefined ? {} : { check }),
  };
}

/** Returns why a Dockerfile builds nothing. */
function emptyWords(text: DockerfileText, instructions: number): string {
  if (text.lines.length === 0) return 'the Dockerfile cannot be empty';
  return instructions === 0 ? 'file with no instructions' : 'the Dockerfile has no FROM';
}

/** Parses an ONBUILD trigger of a base image; `at` is the FROM that uses it. */
export function parseTrigger(trigger: string, escapeToken: '\\' | '`', at: Location): Instruction {
  const text = dockerfileText(`${at.text.name} (ONBUILD)`, trigger);
  const [line, ...more] = logicalLines(text, escapeToken);
  if (line === undefined || more.length > 0) {
    throw dockerfileError(
      at,
      `the base image has an ONBUILD trigger that is not an instruction: ${trigger.slice(0, 200)}`,
    );
  }
  const placed: LogicalLine = { ...line, at };
  const instruction = parseInstruction(placed, escapeToken);
  if (instruction.kind === 'from' || instruction.kind === 'onbuild' || instruction.kind === 'maintainer') {
    throw dockerfileError(at, `${line.keyword} isn't allowed as an ONBUILD trigger`);
  }
  return instruction;
}
