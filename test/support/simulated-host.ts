import { beginAttempt, failAttempt, isToReturn, routeFlags } from '../../fleet/host-plan/attempts.ts';
import { claimsOf } from '../../fleet/host-plan/claims.ts';
import {
  type HostApp,
  type HostContainer,
  type HostStep,
  imageKey,
  isUp,
} from '../../fleet/host-plan/host-app.ts';
import type { AppTarget } from '../../fleet/target.ts';

/** What the executor does with the steps of a plan, as values. */
export class SimulatedHost {
  app: HostApp = {
    outcome: 'working',
    containers: [],
    images: new Set(),
    networks: new Set(),
    volumes: new Set(),
    jobs: {},
  };
  target: AppTarget | undefined;
  #made = 0;

  /** A new target begins a new attempt. */
  setTarget(target: AppTarget | undefined): void {
    this.app = beginAttempt(this.app, this.target, target);
    this.target = target;
  }

  /** The attempt has failed. */
  fail(): void {
    this.app = failAttempt(this.app);
  }

  apply(step: HostStep): void {
    switch (step.kind) {
      case 'pull':
        this.app = { ...this.app, images: new Set([...this.app.images, imageKey(step.image)]) };
        return;
      case 'create-network':
        this.app = { ...this.app, networks: new Set([...this.app.networks, step.network]) };
        return;
      case 'remove-network': {
        const networks = [...this.app.networks].filter((name) => name !== step.network);
        this.app = { ...this.app, networks: new Set(networks) };
        return;
      }
      case 'create-volume':
        this.app = { ...this.app, volumes: new Set([...this.app.volumes, step.volume]) };
        return;
      case 'create':
        this.#create(step);
        return;
      case 'start':
        this.#refuseClash(step.container);
        this.#change(step.container, { state: 'running', tried: true });
        return;
      case 'wait-healthy':
        this.#change(step.container, { passed: true });
        return;
      case 'wait-job':
        this.#change(step.container, { state: 'exited' });
        this.app = { ...this.app, jobs: { ...this.app.jobs, [step.service]: 0 } };
        return;
      case 'route':
        for (const one of this.app.containers) this.#change(one.id, routeFlags(one, step.containers));
        return;
      case 'drain':
        this.#change(step.container, { draining: false });
        return;
      case 'stop': {
        const found = this.#find(step.container);
        const stopped = found.stopped || isToReturn(found, this.target);
        this.#change(step.container, { state: 'exited', passed: false, stopped });
        return;
      }
      case 'remove':
        this.app = {
          ...this.app,
          containers: this.app.containers.filter(({ id }) => id !== step.container),
        };
        return;
      case 'rename':
        this.#change(step.container, { name: step.name });
        return;
      case 'watch':
        if (!step.containers.every((id) => isUp(this.#find(id)))) throw new Error('a stopped one is watched');
        this.app = { ...this.app, outcome: 'done' };
        return;
      case 'settle':
        this.app = { ...this.app, outcome: step.outcome };
    }
  }

  #create(step: HostStep & { readonly kind: 'create' }): void {
    const { target, app } = this;
    const service = target?.release.services.find(({ spec }) => spec.name === step.service);
    if (target === undefined || service === undefined) throw new Error('a container of no service');
    if (!app.images.has(imageKey(service.image))) throw new Error('a container without its image');
    if (app.containers.some(({ name }) => name === step.name)) throw new Error(`${step.name} is taken`);
    this.#made += 1;
    const made: HostContainer = {
      id: `c${this.#made}`,
      name: step.name,
      service: step.service,
      instance: step.instance,
      release: target.release.number,
      attempt: target.attempt,
      hash: service.hash,
      job: service.job,
      state: 'created',
      tried: false,
      passed: false,
      hasRoute: service.spec.route !== undefined,
      routed: false,
      draining: false,
      stopped: false,
      discarded: false,
      claims: claimsOf(service.spec, target.release.volumes),
    };
    this.app = { ...app, containers: [...app.containers, made] };
  }

  /** Throws when another running container has what this one needs. */
  #refuseClash(id: string): void {
    const starting = this.#find(id);
    for (const one of this.app.containers) {
      const clash = one.id !== id && isUp(one) && one.claims.find((claim) => starting.claims.includes(claim));
      if (clash) throw new Error(`${one.id} has ${clash}, which ${id} needs`);
    }
  }

  #find(id: string): HostContainer {
    const found = this.app.containers.find((one) => one.id === id);
    if (found === undefined) throw new Error(`there is no ${id}`);
    return found;
  }

  #change(id: string, change: Partial<HostContainer>): void {
    this.#find(id);
    const containers = this.app.containers.map((one) => (one.id === id ? { ...one, ...change } : one));
    this.app = { ...this.app, containers };
  }
}
