import { EngineError } from '../../errors.ts';
import { type Location, locatedMessage } from '../frontend/dockerfile-text.ts';

/** A RUN whose process failed. */
export class StepFailedError extends EngineError {
  readonly exitCode: number;
  /** What ran, as one line. */
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
