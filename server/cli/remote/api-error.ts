import type { ComposePath } from '../../../fleet/compose/compose-error.ts';

/** A problem in a Compose document. */
export interface Problem {
  readonly path: ComposePath;
  readonly message: string;
}

/** A registry refused a request, failed, or could not be reached. The message is a sentence for people. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  /** HTTP status of the answer; 0 without one. */
  readonly status: number;
  readonly problems: readonly Problem[];

  constructor(status: number, message: string, problems: readonly Problem[] = [], options?: ErrorOptions) {
    super(message, options);
    this.status = status;
    this.problems = problems;
  }

  /** Whether the same request may succeed a moment later: the registry is restarting, or the connection was cut. */
  get mayPass(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}
