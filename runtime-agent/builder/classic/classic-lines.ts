import type { BuildProgress, NumberedInstruction } from '../builder.ts';

/** One line of the answer of `POST /build`, before it is encoded as JSON. */
export type ClassicLine =
  | { readonly stream: string }
  | {
      readonly status: string;
      readonly progressDetail: { readonly current: number; readonly total?: number };
      readonly id: string;
    };

/** Maximum buffered output of one step while earlier steps run; the same as BuildKit's limit. */
const MAX_OF_STEP = 2 << 20;
/** Maximum buffered output of all steps. */
const MAX_KEPT = 16 << 20;
/** Memory of a piece in addition to its characters. */
const PIECE = 64;
const CLIPPED = '\n[output clipped, log limit 2MiB reached]\n';

interface ShownStep {
  readonly id: string;
  readonly header: string;
  /** Output before its turn. */
  readonly lines: string[];
  /** Memory that these take. */
  kept: number;
  /** Some output was dropped. */
  isClipped: boolean;
  /** Decoders, because a character may be split between two pieces of output. */
  readonly decoders: Readonly<Record<'stdout' | 'stderr', TextDecoder>>;
  /** The name of the container that runs its command. */
  container?: string;
  done: boolean;
}

/**
 * Prints a build as dockerd's classic builder does: one step after the other, although they may run concurrently.
 * Output of a later step waits until those before it have ended.
 */
export class ClassicLines {
  readonly #steps: ShownStep[] = [];
  readonly #byId = new Map<string, ShownStep>();
  readonly #emit: (line: ClassicLine) => void;
  #current = 0;
  /** Memory of waiting output. */
  #kept = 0;
  #headerShown = false;

  constructor(emit: (line: ClassicLine) => void) {
    this.#emit = emit;
  }

  take(progress: BuildProgress): void {
    if (progress.kind === 'planned') {
      const { instruction, id } = progress;
      if (instruction === undefined) return;
      const step: ShownStep = {
        id,
        header: headerOf(instruction),
        lines: [],
        kept: 0,
        isClipped: false,
        decoders: { stdout: new TextDecoder(), stderr: new TextDecoder() },
        done: false,
      };
      this.#steps.push(step);
      this.#byId.set(id, step);
      return;
    }
    if (progress.kind === 'warning') {
      this.#emit({ stream: `[Warning] ${progress.message}\n` });
      return;
    }
    const step = this.#byId.get(progress.id);
    if (step === undefined) {
      if (progress.kind === 'progress') this.#notifyPull(progress);
      if (progress.kind === 'failed' && progress.instruction !== undefined)
        this.#announce(progress.instruction);
      return;
    }
    switch (progress.kind) {
      case 'cached':
        this.#tell(step, ' ---> Using cache\n');
        return;
      case 'log':
        this.#add(
          step,
          shown(progress.stream, step.decoders[progress.stream].decode(progress.data, { stream: true })),
        );
        return;
      case 'completed':
        this.#notifyRemoved(step);
        this.#tell(
          step,
          progress.layer === undefined || progress.layer === '' ? ' --->\n' : ` ---> ${progress.layer}\n`,
        );
        step.done = true;
        this.#advance();
        return;
      case 'failed':
        this.#showUpTo(step);
        this.#notifyRemoved(step);
        return;
      case 'started':
        if (progress.container === undefined) this.#add(step, '');
        else {
          step.container = progress.container.slice(0, 12);
          this.#tell(step, ` ---> Running in ${step.container}\n`);
        }
    }
  }

  /** Also for a build that failed, and one that should keep containers: none remains. */
  #notifyRemoved(step: ShownStep): void {
    if (step.container === undefined) return;
    this.#tell(step, ` ---> Removed intermediate container ${step.container}\n`);
  }

  /** Prints a line of the builder itself, which is never dropped. */
  #tell(step: ShownStep, text: string): void {
    if (this.#steps[this.#current] === step) this.#add(step, text);
    else step.lines.push(text);
  }

  /** The bytes of a base image, as `docker pull` shows them. */
  #notifyPull({ what, current, total }: Extract<BuildProgress, { readonly kind: 'progress' }>): void {
    const [state = '', id = ''] = what.split(' ');
    const status = state.charAt(0).toUpperCase() + state.slice(1);
    this.#emit({ status, progressDetail: { current, ...(total === undefined ? {} : { total }) }, id });
  }

  #add(step: ShownStep, text: string): void {
    if (this.#steps[this.#current] === step) {
      this.#showHeader(step);
      if (text !== '') this.#emit({ stream: text });
    } else if (text !== '') this.#keep(step, text);
  }

  /** Buffers output of a step before its turn, up to the limits. */
  #keep(step: ShownStep, text: string): void {
    const size = text.length + PIECE;
    if (step.isClipped) return;
    if (step.kept + size > MAX_OF_STEP || this.#kept + size > MAX_KEPT) {
      step.isClipped = true;
      step.lines.push(CLIPPED);
      return;
    }
    step.lines.push(text);
    step.kept += size;
    this.#kept += size;
  }

  #advance(): void {
    for (;;) {
      const step = this.#steps[this.#current];
      if (step === undefined) return;
      this.#flush(step);
      if (!step.done) return;
      this.#current += 1;
      this.#headerShown = false;
    }
  }

  /** The failed step is shown with its output, whatever runs before it. */
  #showUpTo(step: ShownStep): void {
    if (this.#steps[this.#current] === step) return;
    this.#current = this.#steps.indexOf(step);
    this.#headerShown = false;
    this.#flush(step);
  }

  #flush(step: ShownStep): void {
    if (step.lines.length === 0 && !step.done) return;
    this.#showHeader(step);
    for (const text of step.lines.splice(0)) this.#emit({ stream: text });
    this.#kept -= step.kept;
    step.kept = 0;
    step.isClipped = false;
  }

  #showHeader(step: ShownStep): void {
    if (this.#headerShown) return;
    this.#headerShown = true;
    this.#emit({ stream: step.header });
    this.#emit({ stream: '\n' });
  }

  /** A build whose base is missing fails within its answer, after the text of its FROM, as with dockerd. */
  #announce(instruction: NumberedInstruction): void {
    if (this.#headerShown) return;
    this.#headerShown = true;
    this.#emit({ stream: headerOf(instruction) });
    this.#emit({ stream: '\n' });
  }
}

function headerOf({ number, count, text }: NumberedInstruction): string {
  return `Step ${number}/${count} : ${text}`;
}

/** Stderr of a step is red, as with dockerd. */
function shown(stream: 'stdout' | 'stderr', text: string): string {
  return stream === 'stdout' || text === '' ? text : `\x1b[91m${text}\x1b[0m`;
}
