import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

const root = dirname(dirname(import.meta.dirname));

/** Files that need the moment of day: it is stored, shown, or compared with a stored moment or a date of a protocol. */
const MOMENTS = [
  // The time of its files.
  'lib/support-bundle/support-bundle.ts',
  'lib/watchdog/work-under-way.ts',
  'oci/distribution/authorize.ts',
  'oci/distribution/registry-request.ts',
  'runtime-agent/builder/buildkit/control/control-service.ts',
  'runtime-agent/builder/cache/cache-mounts.ts',
  'runtime-agent/builder/cache/config-steps.ts',
  'runtime-agent/builder/cache/step-cache.ts',
  'runtime-agent/builder/execute/step-once.ts',
  'runtime-agent/cli/listen-tcp.ts',
  'runtime-agent/engine-api/routes/build-prune.ts',
  'runtime-agent/engine-api/routes/container-list.ts',
  'runtime-agent/engine-api/routes/container-prune.ts',
  'runtime-agent/engine-api/routes/disk-usage.ts',
  'runtime-agent/engine-api/routes/events.ts',
  'runtime-agent/engine-api/routes/image-list.ts',
  'runtime-agent/engine-api/routes/image-prune.ts',
  'runtime-agent/engine-api/routes/networks.ts',
  'runtime-agent/engine-api/streams/hijack.ts',
  'runtime-agent/events/event-bus.ts',
  'runtime-agent/fleet/ingress/acme/acme-authority.ts',
  'runtime-agent/fleet/ingress/certificates.ts',
  'runtime-agent/images/image-catalog.ts',
  'runtime-agent/images/layer-blobs/layer-blobs.ts',
];

test('the agent measures time by the monotonic clock: administrators and NTP set the other one', () => {
  const found = globSync('{lib,oci,runtime-agent}/**/*.ts', { cwd: root }).filter((file) =>
    /\bDate\.now\(/.test(readFileSync(join(root, file), 'utf8')),
  );
  assert.deepEqual(found.sort(), MOMENTS);
});
