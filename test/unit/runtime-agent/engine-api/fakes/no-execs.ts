import type { Execs } from '../../../../../runtime-agent/containers/exec/execs.ts';
import { EngineError } from '../../../../../runtime-agent/errors.ts';

/** Execs of containers that are no containers: there are none. */
export function noExecs(): Execs {
  const refuse = (id: string) => Promise.reject(new EngineError('not-found', `No such exec instance: ${id}`));
  return {
    create: refuse,
    start: refuse,
    startDetached: refuse,
    resize: refuse,
    get: refuse,
    run: refuse,
    close: async () => undefined,
    listIds: () => [],
    hangUp: () => undefined,
  };
}
