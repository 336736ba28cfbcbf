import type { Identity } from '../../auth/access/access.ts';
import type { Grant } from '../../auth/access/role.ts';
import type { BasicCredentials, LoginMethod } from '../../auth/authenticators/login-method.ts';
import { CredentialsInvalidError, TokenInvalidError } from '../../auth/errors.ts';
import type { Host } from '../../fleet/host.ts';
import type { HostStore } from '../../fleet/host-store.ts';
import { repositoriesOf } from '../../fleet/target.ts';
import type { HostTokens } from './host-tokens.ts';

/** A host's user name. HTTP Basic ends the name at the first colon (RFC 7617, section 2); a form has both fields. */
const LOGIN = /^host:([0-9A-Za-z]{1,64}):([\w-]+\.[\w-]+\.[\w-]+)$/;

/**
 * Milliseconds for which the rights of a host are valid. The verifier of tokens allows 30 seconds more
 * (CLOCK_TOLERANCE), so a removed host, or one whose target has changed, loses them within a minute.
 */
const RIGHTS_LIFE = 30_000;

/** Hosts of the fleet: the user is `host:ID`, the password a token of HostTokens. They pull what their target names. */
export class HostLogin implements LoginMethod {
  readonly #tokens: HostTokens;
  readonly #hosts: Pick<HostStore, 'target'>;

  constructor(tokens: HostTokens, hosts: Pick<HostStore, 'target'>) {
    this.#tokens = tokens;
    this.#hosts = hosts;
  }

  async logIn({ user, password }: BasicCredentials): Promise<Identity | undefined> {
    const [, id, token] = LOGIN.exec(`${user}:${password}`) ?? [];
    if (id === undefined || token === undefined) return undefined;
    const host = await this.#hostOf(token);
    if (host.id !== id) throw new CredentialsInvalidError('the token is of another host');
    const repositories = repositoriesOf(await this.#hosts.target(id));
    const grants = repositories.map((pattern): Grant => ({ pattern, actions: ['pull'] }));
    return {
      ...identityOf(host),
      rights: { admin: false, grants, lists: false },
      until: Date.now() + RIGHTS_LIFE,
    };
  }

  async #hostOf(token: string): Promise<Host> {
    try {
      return await this.#tokens.verify(token);
    } catch (cause) {
      if (cause instanceof TokenInvalidError) throw new CredentialsInvalidError(cause.message);
      throw cause;
    }
  }
}

/** Returns a host as the client of a request, without any rights. */
export function identityOf({ name }: Host): Identity {
  const rights = { admin: false, grants: [], lists: false };
  return { kind: 'host', name: `host:${name}`, rights, proof: { kind: 'bearer' } };
}
