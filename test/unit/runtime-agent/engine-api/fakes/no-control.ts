import type { ContainerControl } from '../../../../../runtime-agent/containers/containers.ts';
import { EngineError } from '../../../../../runtime-agent/errors.ts';

/** Containers that are no containers can only be started and ended. */
export function noControl(): ContainerControl {
  const refuse = (ref: string) => Promise.reject(new EngineError('not-found', `No such container: ${ref}`));
  return {
    pause: refuse,
    unpause: refuse,
    rename: refuse,
    setReady: refuse,
    unlink: refuse,
    update: refuse,
  };
}
