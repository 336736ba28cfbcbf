import type { Identity, NamedKind, Proof } from '../access/access.ts';
import { ALL_RIGHTS, limitedTo, managesOf, type Rights } from '../access/rights.ts';
import { actionsOf } from '../access/role.ts';
import type { Credential, CredentialStore } from '../credentials/credential-store.ts';
import { WhileUnchanged } from '../while-unchanged.ts';
import type { AccountStore, Holder, RoleStore } from './account-store.ts';

/** The stores that a directory reads. */
interface DirectoryStores {
  readonly accounts: AccountStore;
  readonly credentials: CredentialStore;
  readonly roles: RoleStore;
}

/** The holder of a login: a person or robot, and the id of the credential that began the login, if one did. */
export interface LoginHolder {
  readonly name: string;
  readonly credential?: string;
}

/** The identity that a token names. */
export interface TokenSubject {
  readonly kind: NamedKind;
  readonly subject: string;
}

const PUBLIC: Holder = { kind: 'public' };
const PASSWORD: Proof = { kind: 'password' };

/** Looks up the current rights of people, robots and the public. */
export class Directory {
  readonly #stores: DirectoryStores;
  readonly #remembered: WhileUnchanged<Rights | undefined> | undefined;

  /** With `version`, a number that changes with each change of the stores, the directory caches what it reads. */
  constructor(stores: DirectoryStores, version?: () => number) {
    this.#stores = stores;
    this.#remembered = version && new WhileUnchanged(version);
  }

  /** Returns the identity of a request without credentials. */
  async anonymous(): Promise<Identity> {
    return { kind: 'anonymous', rights: await this.#publicRights() };
  }

  /** Returns the cached result of `anonymous`; undefined when the stores must be read. */
  knownAnonymous(): Identity | undefined {
    const rights = this.#remembered?.find(keyOf(PUBLIC));
    return rights && { kind: 'anonymous', rights };
  }

  /** Returns the identity of a person; undefined without such an account. */
  async user(name: string, proof: Proof = PASSWORD): Promise<Identity | undefined> {
    const rights = await this.#rightsOf({ kind: 'user', name });
    return rights && { kind: 'user', name, rights, proof };
  }

  /** Returns the identity of a credential's bearer; undefined when the credential has expired or its owner was removed. */
  async bearerOf(credential: Credential, now = Date.now()): Promise<Identity | undefined> {
    const until = credential.expiresAt?.getTime();
    if (until !== undefined && until <= now) return undefined;
    const { id, kind, owner, limits } = credential;
    const rights = await this.#rightsOf(owner);
    if (rights === undefined) return undefined;
    return {
      kind: kind === 'robot' ? 'robot' : 'user',
      name: kind === 'robot' ? credential.name : owner.name,
      rights: limitedTo(rights, limits),
      proof: { kind: 'credential', id, manages: managesOf(limits) },
      ...(until !== undefined && { until }),
    };
  }

  /** Returns the identity of a login's holder; undefined when the account, or the credential that began the login, was removed. */
  async subject({ name, credential: id }: LoginHolder): Promise<Identity | undefined> {
    if (id === undefined) return this.user(name);
    const credential = await this.#stores.credentials.find(id);
    return credential && this.bearerOf(credential);
  }

  /** Returns the identity that a token names; undefined for a removed account or robot, and for a job, which has no account. */
  async named({ kind, subject }: TokenSubject): Promise<Identity | undefined> {
    if (kind === 'user') return this.user(subject);
    const robot = kind === 'robot' ? await this.#stores.credentials.findRobot(subject) : undefined;
    return robot && this.bearerOf(robot);
  }

  async #publicRights(): Promise<Rights> {
    return this.#remember(PUBLIC, async () => ({
      admin: false,
      grants: await this.#grantsOf(PUBLIC),
      lists: false,
    }));
  }

  /** Returns undefined for an account or team that does not exist. */
  async #rightsOf(holder: Exclude<Holder, { kind: 'public' }>): Promise<Rights | undefined> {
    return this.#remember(holder, async () => {
      if (holder.kind === 'user') {
        const account = await this.#stores.accounts.find(holder.name);
        if (account === undefined) return undefined;
        if (account.admin) return ALL_RIGHTS;
      }
      return { admin: false, grants: await this.#grantsOf(holder), lists: true };
    });
  }

  async #grantsOf(holder: Holder): Promise<Rights['grants']> {
    const roles = await this.#stores.roles.heldBy(holder);
    return roles.map(({ pattern, role }) => ({ pattern, actions: actionsOf(role) }));
  }

  async #remember<Found extends Rights | undefined>(
    holder: Holder,
    find: () => Promise<Found>,
  ): Promise<Found> {
    if (this.#remembered === undefined) return find();
    const key = keyOf(holder);
    const known = this.#remembered.find(key);
    if (known !== undefined) return known as Found;
    const keep = this.#remembered.begin(key);
    const found = await find();
    keep(found);
    return found;
  }
}

function keyOf(holder: Holder): string {
  return holder.kind === 'public' ? 'public' : `${holder.kind}:${holder.name}`;
}
