import { EngineError } from '../errors.ts';
import { removeNames } from '../networks/plan/hosts-file.ts';
import { parseLink } from '../networks/plan/links.ts';
import type { ContainerContext } from './context.ts';
import type { LiveContainer } from './live-container.ts';
import { editEtcFile } from './run/edit-etc-file.ts';
import { linkNames, linksOf } from './run/links.ts';

/** See ContainerControl.unlink. */
export async function unlinkContainer(context: ContainerContext, ref: string): Promise<void> {
  const name = ref.replace(/^\//, '');
  const slash = name.lastIndexOf('/');
  if (slash < 0) {
    context.registry.find(name);
    throw new EngineError('conflict', 'Conflict, cannot remove the default link name of the container');
  }
  const parent = context.registry.all().find(({ container }) => container.name === name.slice(0, slash));
  const alias = name.slice(slash + 1);
  const unknown = () => new EngineError('not-found', `No such container: ${ref.slice(0, 300)}`);
  if (parent === undefined) throw unknown();
  await parent.mutex.run(async () => {
    const { Links: links = [], ...hostConfig } = context.registry.find(parent.id).container.hostConfig;
    const left = links.filter((link) => parseLink(link).alias !== alias);
    if (left.length === links.length) throw unknown();
    if (parent.run !== undefined) await removeFromFile(context, parent, alias);
    parent.change({ hostConfig: { ...hostConfig, ...(left.length > 0 && { Links: left }) } });
    await context.table.updateSettings(parent.container);
  });
}

/** Its /etc/hosts; variables stay what they were when it was started. */
async function removeFromFile(
  context: ContainerContext,
  { container, paths }: LiveContainer,
  alias: string,
): Promise<void> {
  for (const link of linksOf(context, container)) {
    if (link.alias !== alias) continue;
    const names = linkNames(link.child.container, alias);
    await editEtcFile(context.log, paths.hosts, (text) => removeNames(text, names));
  }
}
