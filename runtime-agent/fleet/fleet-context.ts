import type { PinnedImage } from '../../fleet/service.ts';
import type { Semaphore } from '../../lib/sync/semaphore.ts';
import type { EngineDeps } from '../engine-api/engine-deps.ts';
import type { FleetStore } from './fleet-store.ts';
import type { InstanceFiles, OpenSecret } from './instance-files.ts';
import type { InstanceRoutes } from './instance-routes.ts';
import type { Membership } from './membership.ts';

/** The parts of the agent that the fleet uses. */
export type FleetEngine = Pick<
  EngineDeps,
  'containers' | 'control' | 'events' | 'execs' | 'host' | 'images' | 'log' | 'networks' | 'volumes'
>;

/** The parts that the apps of this host share. */
export interface FleetContext {
  readonly engine: FleetEngine;
  readonly store: FleetStore;
  readonly files: InstanceFiles;
  readonly routes: InstanceRoutes;
  readonly openSecret: OpenSecret;
  readonly allows: Membership['allows'];
  /** The reference of a pinned image on this host, without its tag. */
  readonly reference: (image: PinnedImage) => string;
  /** Pulls an image, or joins a running pull of it. */
  readonly pull: (image: PinnedImage, platform: string | undefined, signal: AbortSignal) => Promise<void>;
  /** Limits concurrent creations, starts and stops of containers. */
  readonly work: Semaphore;
}
