/** What the bridge can do, by BuildKit's names (frontend/gateway/pb/caps.go). */
const BRIDGE = [
  'solve.base',
  'return',
  'returnmap',
  'proto.refarray',
  'reference.output',
  'frontend.inputs',
  'frontend.caps',
  'importcaches',
  'gateway.evaluate',
];

/** What builds can do, by BuildKit's names (solver/pb/caps.go): clients ask before they send options. */
const BUILDS = [
  'source.image',
  'source.image.resolvemode',
  'source.local',
  'source.local.followpaths',
  'source.local.excludepatterns',
  'source.local.sharedkeyhint',
  'exec.meta.base',
  'exec.meta.network',
  'exec.mount.bind',
  'exec.mount.cache',
  'exec.mount.tmpfs',
  'exec.mount.secret',
  'exec.mount.ssh',
  'file.base',
  'platform',
  'exporter.image.attestations',
  'exporter.multiple',
  'exporter.sourcedateepoch',
];

export const BRIDGE_CAPS = BRIDGE.map(enabled);
export const BUILD_CAPS = BUILDS.map(enabled);

function enabled(ID: string): { readonly ID: string; readonly Enabled: true } {
  return { ID, Enabled: true };
}
