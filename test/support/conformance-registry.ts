import type { CleanupScope } from './cleanup.ts';
import { startInProcessRegistry } from './in-process-registry.ts';
import { createRegistryClient, type RegistryClient } from './registry-client.ts';

/** Names a registry that runs already and holds nothing, for the tests of a child process. */
export const CONFORMANCE_URL = 'BERTH_TEST_CONFORMANCE_URL';

/** The registry that the conformance suite is about: one of its own, unless the environment names one. */
export async function startConformanceRegistry(scope: CleanupScope): Promise<RegistryClient> {
  const url = process.env[CONFORMANCE_URL];
  return url === undefined ? startInProcessRegistry(scope) : createRegistryClient(url);
}
