import type { Authenticator } from '../../auth/authenticators/authenticator.ts';
import type { Browse } from '../browse/browse.ts';
import type { Health } from '../cached-responses.ts';
import type { EventFeed } from '../events/event-feed.ts';
import type { LoginDependencies } from '../login/login-router.ts';
import type { ManagementDependencies } from '../management/management-router.ts';
import type { RegistryDependencies } from '../registry/registry-dependencies.ts';

/** Dependencies of pages. */
export interface PageDependencies {
  readonly registry: RegistryDependencies;
  /** Repositories, tags and manifests as visible to a visitor. */
  readonly browse: Browse;
  readonly feed: Pick<EventFeed, 'mark'>;
  readonly health: Health;
  /** Absent when the registry is open to all. */
  readonly authenticator: Authenticator | undefined;
  /** Absent without accounts. */
  readonly login: LoginDependencies | undefined;
  /** Dependencies of the management API. Absent without accounts. */
  readonly management: ManagementDependencies | undefined;
}
