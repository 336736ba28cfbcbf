import type { Container } from '../../containers/container.ts';
import { parseLink } from '../../networks/plan/links.ts';

/** The links of a container on the default network by present names; what it was linked to may be gone. */
export function linksView(container: Container, all: readonly Container[]): readonly string[] {
  return (container.hostConfig.Links ?? []).flatMap((text) => {
    const { target, alias } = parseLink(text);
    const child = all.find(({ id }) => id === target);
    return child === undefined ? [] : [`/${child.name}:/${container.name}/${alias}`];
  });
}

/** The names that containers have from others that are linked to them, by ID. */
export function namesByLinks(all: readonly Container[]): ReadonlyMap<string, readonly string[]> {
  const names = new Map<string, string[]>();
  for (const { name, hostConfig } of all) {
    for (const { target, alias } of (hostConfig.Links ?? []).map(parseLink)) {
      const known = names.get(target) ?? [];
      known.push(`/${name}/${alias}`);
      names.set(target, known);
    }
  }
  return names;
}
