import type { ActiveNetwork } from '../networks/network.ts';
import type { Container } from './container.ts';

/** The processes of a running container, told apart from later ones that take their numbers. */
export interface Run {
  readonly pid: number;
  readonly startTime: number;
  readonly conmonPid: number;
  readonly conmonStartTime: number;
  /** No process of another boot is alive. */
  readonly bootId: string;
  /** Absent where it has no networks of its own. */
  readonly network?: ActiveNetwork;
}

/** What outlives the agent. */
export interface StoredContainer {
  readonly container: Container;
  readonly run: Run | undefined;
  /** Stopped or killed by a client since its last start: it is not started again on its own. */
  readonly stoppedByUser: boolean;
}
