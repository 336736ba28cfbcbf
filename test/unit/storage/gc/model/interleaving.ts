/** What an actor meets instead of its next step when it has crashed: nothing of it runs any more. */
export class Crash extends Error {}

/** How the explorer goes on: which of the waiting actors takes so many steps, and whether the first is its last. */
export interface Choice {
  readonly actor: number;
  readonly steps: number;
  readonly crash: 'no' | 'before' | 'after';
}

interface Waiting {
  readonly actor: Actor;
  readonly take: (crash: Choice['crash']) => void;
}

/** Somebody whose work consists of steps that happen wholly or not at all, one at a time. */
export class Actor {
  readonly name: string;
  readonly #explorer: Explorer;
  #crashed = false;

  constructor(name: string, explorer: Explorer) {
    this.name = name;
    this.#explorer = explorer;
  }

  /** Waits for this actor's turn and does `work`. */
  async step<T>(label: string, work: () => Promise<T>): Promise<T> {
    if (this.#crashed) throw new Crash();
    const crash = await this.#explorer.turnOf(this);
    this.#explorer.trace.push(`${this.name}: ${label}${crash === 'no' ? '' : ` (crash ${crash})`}`);
    if (crash !== 'no') this.#crashed = true;
    if (crash === 'before') throw new Crash();
    const result = await work();
    if (crash === 'after') throw new Crash();
    return result;
  }

  /** `target` with every method a step of this actor. */
  stepping<Target extends object>(target: Target, label: string): Target {
    return new Proxy(target, {
      get: (_, property) => {
        const value: unknown = Reflect.get(target, property);
        if (typeof value !== 'function') return value;
        return (...args: readonly unknown[]) =>
          this.step(`${label}.${String(property)}`, () => value.apply(target, args));
      },
    });
  }
}

/** Runs actors against each other in the order that `choices` say; after these, in the order of their names. */
export class Explorer {
  readonly trace: string[] = [];
  readonly #choices: Choice[];
  readonly #waiting: Waiting[] = [];
  #running = 0;
  /** Who goes on before the next choice. */
  #turn: { readonly actor: Actor; readonly left: number } | undefined;
  #settle = () => {};

  constructor(choices: readonly Choice[]) {
    this.#choices = choices.toReversed();
  }

  /** Does all of `works`; `afterStep` is called whenever all actors stand still. Rethrows what they fail with. */
  async run(
    works: ReadonlyMap<string, (actor: Actor) => Promise<void>>,
    afterStep: () => void,
  ): Promise<void> {
    const failures: unknown[] = [];
    for (const [name, work] of works) {
      this.#running += 1;
      work(new Actor(name, this))
        .catch((error: unknown) => {
          if (!(error instanceof Crash)) failures.push(error);
        })
        .finally(() => this.#stood());
    }
    for (;;) {
      await this.#stillness();
      if (failures.length > 0) throw failures[0];
      afterStep();
      if (this.#waiting.length === 0) return;
      this.#running += 1;
      this.#goOn();
    }
  }

  #goOn(): void {
    const turn = this.#turn;
    const position = this.#waiting.findIndex(({ actor }) => actor === turn?.actor);
    if (turn !== undefined && turn.left > 0 && position >= 0) {
      this.#turn = { actor: turn.actor, left: turn.left - 1 };
      this.#waiting.splice(position, 1)[0]?.take('no');
      return;
    }
    const { actor, steps, crash } = this.#choices.pop() ?? { actor: 0, steps: 1, crash: 'no' };
    const [next] = this.#waiting.splice(actor % this.#waiting.length, 1);
    this.#turn = next && { actor: next.actor, left: steps - 1 };
    next?.take(crash);
  }

  turnOf(actor: Actor): Promise<Choice['crash']> {
    return new Promise((take) => {
      this.#waiting.push({ actor, take });
      this.#waiting.sort((a, b) => (a.actor.name < b.actor.name ? -1 : 1));
      this.#stood();
    });
  }

  #stood(): void {
    this.#running -= 1;
    if (this.#running === 0) this.#settle();
  }

  async #stillness(): Promise<void> {
    while (this.#running > 0) {
      await new Promise<void>((resolve) => {
        this.#settle = resolve;
      });
    }
  }
}
