import { ConfigError } from '../../../lib/settings/config-error.ts';
import { isDigest } from '../../../oci/digest.ts';
import { advice } from '../parse-options.ts';
import {
  type CommandInput,
  type Doors,
  type RegistryCommand,
  runRegistryCommand,
} from '../remote/registry-command.ts';
import { type ContentDoor, type ManifestName, RemoteContent } from './door.ts';

/** A command about the content of a registry. */
export type ContentCommand = RegistryCommand<ContentDoor>;

/** The input of an action about the content. */
export type ContentInput = CommandInput<ContentDoor>;

const DOORS: Doors<ContentDoor> = {
  remote: (api) => new RemoteContent(api),
  local: async (options) => (await import('./local-content.ts')).openLocalContent(options),
};

/** Runs the action in the first word, as runRegistryCommand does. */
export function runContentAction(
  noun: string,
  actions: Readonly<Record<string, ContentCommand>>,
  [name = '', ...args]: readonly string[],
): Promise<number> {
  const action = Object.hasOwn(actions, name) ? actions[name] : undefined;
  if (action !== undefined) return runRegistryCommand(action, DOORS, args);
  const known = Object.keys(actions);
  const said =
    name === '' || name.startsWith('-') ? 'an action is missing' : `berth ${noun} has no "${name}"`;
  throw new ConfigError(
    `${said}: it has ${known.join(', ')}: ${advice(name, known, `"berth ${noun} --help"`)}`,
  );
}

/**
 * Parses `REPOSITORY:TAG` or `REPOSITORY@DIGEST`, which may begin with the registry's own host. The tag is mandatory: a
 * default would be dangerous in a delete. Throws ConfigError.
 */
export function readManifestName(text: string, host: string | undefined): ManifestName {
  const own = host !== undefined && text.startsWith(`${host}/`) ? text.slice(host.length + 1) : text;
  const at = own.indexOf('@');
  if (at > 0) {
    const [repository, digest] = [own.slice(0, at), own.slice(at + 1)];
    if (!isDigest(digest))
      throw new ConfigError(`"${text}" has no digest after its @: write it as team/app@sha256:…`);
    // As in docker: a digest takes precedence over a tag.
    return { repository: repository.replace(/:[^:/]*$/, ''), reference: digest };
  }
  const colon = own.lastIndexOf(':');
  if (colon <= own.lastIndexOf('/') || colon === own.length - 1) {
    throw new ConfigError(`"${text}" has no tag: write it as team/app:1.0`);
  }
  return { repository: own.slice(0, colon), reference: own.slice(colon + 1) };
}

/** Reads the name of a repository, which may begin with the registry's own host. */
export function readRepository(text: string, host: string | undefined): string {
  return host !== undefined && text.startsWith(`${host}/`) ? text.slice(host.length + 1) : text;
}
