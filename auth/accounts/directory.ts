import type { Identity, Proof } from '../access/identity.ts';
import { ALL_RIGHTS, limitedTo, managesOf, type Rights } from '../access/rights.ts';
import { actionsOf } from '../access/role.ts';
import type { AuthStore } from '../auth-store.ts';
import { WhileUnchanged } from '../authenticators/while-unchanged.ts';
import type { Credential } from '../credentials/credential-store.ts';
import type { LoginSubject } from '../tokens/login-store.ts';
import type { TokenClaims } from '../tokens/token-claims.ts';
import type { Holder } from './role-store.ts';

type Stores = Pick<AuthStore, 'accounts' | 'credentials' | 'roles'>;

const PUBLIC: Holder = { kind: 'public' };
const PASSWORD: Proof = { kind: 'password' };

/** Who people and robots are and what they may do, at this moment. */
export class Directory {
  readonly #stores: Stores;
  readonly #remembered: WhileUnchanged<Rights | undefined> | undefined;

  /** With `version`, which gives another number after any change of the stores, nothing is looked up twice. */
  constructor(stores: Stores, version?: () => number) {
    this.#stores = stores;
    this.#remembered = version && new WhileUnchanged(version);
  }

  /** Whoever gives no credentials. */
  async anonymous(): Promise<Identity> {
    return { kind: 'anonymous', rights: await this.#publicRights() };
  }

  /** As `anonymous`, where it is certain at once. */
  knownAnonymous(): Identity | undefined {
    const rights = this.#remembered?.find(keyOf(PUBLIC));
    return rights && { kind: 'anonymous', rights };
  }

  /** Undefined when there is no such person. */
  async user(name: string, proof: Proof = PASSWORD): Promise<Identity | undefined> {
    const rights = await this.#rightsOf({ kind: 'user', name });
    return rights && { kind: 'user', name, rights, proof };
  }

  /** Whoever shows this credential; undefined when it has expired or its owner has gone. */
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

  /** Whom a login stands for; undefined when they have gone, or the credential that it was made with. */
  async subject({ name, credential: id }: LoginSubject): Promise<Identity | undefined> {
    if (id === undefined) return this.user(name);
    const credential = await this.#stores.credentials.find(id);
    return credential && this.bearerOf(credential);
  }

  /** Whom a token names; undefined when they have gone. Nobody is told more of a job than its token says. */
  async named({ kind, subject }: Pick<TokenClaims, 'kind' | 'subject'>): Promise<Identity | undefined> {
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

  /** Undefined when there is no such holder. */
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
