import { PatternError } from '../../../lib/pattern/glob.ts';
import { EngineError, isEngineError } from '../../errors.ts';
import { dockerfileError, type Location, locatedMessage } from '../frontend/dockerfile-text.ts';
import type { Step } from '../solver/step.ts';
import { SourceError } from './select-sources.ts';

/** A RUN whose process failed. */
export class StepFailedError extends EngineError {
  readonly exitCode: number;
  /** The command, as one line. */
  readonly command: string;
  /** The instruction that failed. */
  readonly at: Location;

  constructor(at: Location, command: string, exitCode: number) {
    const message = `The command '${command}' returned a non-zero code: ${exitCode}`;
    super('bad-request', locatedMessage(at, message));
    this.name = 'StepFailedError';
    this.exitCode = exitCode;
    this.command = command;
    this.at = at;
  }
}

/** Adds the line of the instruction to errors about a step's files. Throws EngineError; rethrows other errors unchanged. */
export async function located<T>(step: Step, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    const isTold = error instanceof SourceError || error instanceof PatternError || isEngineError(error);
    if (!isTold) throw error;
    const { op } = step;
    const isOfContext = op?.kind !== 'copy' || op.from.kind === 'context';
    const missing = isOfContext
      ? 'file not found in build context or excluded by .dockerignore'
      : 'file not found';
    const keyword = op?.kind === 'copy' ? (op.isAdd ? 'ADD' : 'COPY') : 'RUN';
    const message = error.message.replace(/^file not found/, missing);
    const { message: shown } = dockerfileError(step.at, `${keyword} failed: ${message}`);
    throw new EngineError(isEngineError(error) ? error.code : 'bad-request', shown, { cause: error });
  }
}
