/** What HostConfig.NetworkMode asks for. */
export type NetworkMode =
  /** A namespace of the container's own with endpoints in networks, the first of which is named. */
  | { readonly kind: 'networks'; readonly first: string }
  /** A namespace of the container's own with nothing but loopback. */
  | { readonly kind: 'none' }
  | { readonly kind: 'host' }
  /** The namespace of another container, by ID or name. */
  | { readonly kind: 'container'; readonly container: string };

export function networkMode(mode: string): NetworkMode {
  if (mode === 'host' || mode === 'none') return { kind: mode };
  if (mode.startsWith('container:')) return { kind: 'container', container: mode.slice('container:'.length) };
  return { kind: 'networks', first: mode === '' || mode === 'default' ? 'bridge' : mode };
}
