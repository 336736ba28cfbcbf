import type { Authenticator } from '../../auth/authenticators/authenticator.ts';
import type { Browse } from '../browse/browse.ts';
import type { Health } from '../cached-responses.ts';
import type { EventFeed } from '../events/event-feed.ts';
import type { LoginDependencies } from '../login/login-router.ts';
import type { ManagementDependencies } from '../management/management-router.ts';
import type { RegistryDependencies } from '../registry/registry-dependencies.ts';

/** What pages work with. */
export interface PageDependencies {
  readonly registry: RegistryDependencies;
  /** Repositories, tags and manifests as a visitor may see them. */
  readonly browse: Browse;
  readonly feed: Pick<EventFeed, 'mark'>;
  readonly health: Health;
  /** Absent when the registry is open to all. */
  readonly authenticator: Authenticator | undefined;
  /** Absent where there are no accounts. */
  readonly login: LoginDependencies | undefined;
  /** What the management API works with. Absent where there are no accounts. */
  readonly management: ManagementDependencies | undefined;
}
