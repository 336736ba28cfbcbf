import { EngineError, isEngineError, noSuchContainer } from '../errors.ts';
import { parseLink } from '../networks/plan/links.ts';
import type { Container } from './container.ts';

/** Index of the agent's containers by ID and by name. */
export class ContainerIndex {
  readonly #byId = new Map<string, Container>();
  readonly #idByName = new Map<string, string>();

  /** Reserves a name for a container that is being created. Throws EngineError 'conflict'. */
  reserve(name: string, id: string): void {
    const holder = this.#idByName.get(name);
    if (holder !== undefined) {
      throw new EngineError(
        'conflict',
        `Conflict. The container name "/${name}" is already in use by container "${holder}". ` +
          'You have to remove (or rename) that container to be able to reuse that name.',
      );
    }
    this.#idByName.set(name, id);
  }

  isTaken(name: string): boolean {
    return this.#idByName.has(name);
  }

  /** Adds a container whose name has been reserved. */
  add(container: Container): void {
    this.#byId.set(container.id, container);
  }

  remove(id: string, name: string): void {
    this.#byId.delete(id);
    this.release(name, id);
  }

  /** Releases a name that the container had. */
  release(name: string, id: string): void {
    if (this.#idByName.get(name) === id) this.#idByName.delete(name);
  }

  byId(id: string): Container | undefined {
    return this.#byId.get(id);
  }

  all(): readonly Container[] {
    return [...this.#byId.values()];
  }

  /** Finds the container that PARENT links to as `PARENT/ALIAS`. */
  #byLink(name: string): Container | undefined {
    const slash = name.indexOf('/');
    const parent = slash < 0 ? undefined : this.#byId.get(this.#idByName.get(name.slice(0, slash)) ?? '');
    const links = (parent?.info.hostConfig.Links ?? []).map(parseLink);
    const link = links.find(({ alias }) => alias === name.slice(slash + 1));
    return this.#byId.get(link?.target ?? '');
  }

  /**
   * Finds a container by its ID, a unique prefix of it, its name with or without a slash, or a link's name. Throws
   * EngineError 'not-found', 'bad-request'.
   */
  find(ref: string): Container {
    const name = ref.startsWith('/') ? ref.slice(1) : ref;
    const exact = this.#byId.get(ref) ?? this.#byId.get(this.#idByName.get(name) ?? '');
    if (exact !== undefined) return exact;
    const linked = this.#byLink(name);
    if (linked !== undefined) return linked;
    const matches = /^[0-9a-f]+$/.test(ref) ? this.all().filter(({ id }) => id.startsWith(ref)) : [];
    if (matches.length > 1) {
      throw new EngineError('bad-request', `multiple IDs found with provided prefix: ${ref}`);
    }
    const [match] = matches;
    if (match === undefined) throw noSuchContainer(ref);
    return match;
  }

  /**
   * Finds a container that is named in a request to create another one. Throws EngineError 'bad-request', since clients
   * would take 'not-found' for a missing image and pull it.
   */
  findNamed(ref: string): Container {
    try {
      return this.find(ref);
    } catch (cause) {
      if (!isEngineError(cause)) throw cause;
      throw new EngineError('bad-request', cause.message, { cause });
    }
  }
}
