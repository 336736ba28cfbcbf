import type { Host, HostState } from '../../../fleet/host.ts';
import type { App, Cause, ReleaseState } from '../../../fleet/release.ts';
import type { AppPhase, InstanceReport } from '../../../fleet/report.ts';
import type { PinnedImage } from '../../../fleet/service.ts';

/** Answers of the management API about the fleet, as JSON: times are RFC 3339. */
export interface HostView extends Pick<Host, 'id' | 'name' | 'labels' | 'draining' | 'facts'> {
  readonly state: HostState;
  readonly joinedAt: string;
  /** Null if it has never connected. */
  readonly seenAt: string | null;
  /** Apps that it last reported about. */
  readonly apps: readonly string[];
}

export interface HostTokenView {
  readonly id: string;
  readonly token: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly expiresAt: string;
}

export interface AppView extends Pick<App, 'name' | 'follow' | 'latest'> {
  /** Null if no release has been healthy yet. */
  readonly current: number | null;
  readonly state: ReleaseState;
  readonly createdAt: string;
}

export interface InstanceView
  extends Pick<InstanceReport, 'service' | 'instance' | 'image' | 'release' | 'state' | 'health'> {
  readonly host: string;
}

export interface ReleaseView {
  readonly app: string;
  readonly release: number;
  readonly state: ReleaseState;
  readonly cause: Cause;
  readonly createdAt: string;
  readonly endedAt: string | null;
  /** By service. */
  readonly images: Readonly<Record<string, PinnedImage>>;
  readonly reason: string | null;
}

export interface RolloutView {
  readonly release: number;
  readonly state: ReleaseState;
  /** Changes with each change of the rollout. */
  readonly revision: string;
  readonly reason: string | null;
  readonly hosts: readonly RolloutHostView[];
}

export interface RolloutHostView {
  readonly host: string;
  readonly state: HostState;
  /** The release that the host should run; null for none. */
  readonly wanted: number | null;
  /** Null if it has reported nothing yet. */
  readonly phase: AppPhase | null;
  /** The release of the phase. */
  readonly release: number | null;
  readonly reason: string | null;
  readonly instances: readonly Pick<InstanceReport, 'service' | 'release' | 'state' | 'health'>[];
}

/** The planned changes of a deployment. */
export interface PlanView {
  readonly hosts: readonly {
    readonly host: string;
    readonly services: readonly {
      readonly service: string;
      readonly instances: number;
      readonly change: string;
    }[];
  }[];
  readonly images: Readonly<Record<string, PinnedImage>>;
}
