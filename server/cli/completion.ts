import { ConfigError } from '../../lib/settings/config-error.ts';
import { COMPLETED_LISTS, completionScript, SHELLS } from '../../lib/terminal/completion.ts';
import { COMMAND_HELP, HELP } from './help.ts';
import { parseOptions } from './parse-options.ts';
import { printable, printLine } from './printable.ts';

/** Maximum milliseconds that a person waits after pressing the tab key. */
const PATIENCE = 2_000;
const LIMIT = '100';

/**
 * `berth completion SHELL`: prints the completion script. With `--list LIST PREFIX`, which the script calls: prints
 * matching names of the current registry; none when it does not answer in time or refuses. Throws ConfigError.
 */
export async function completion([word = '', ...rest]: readonly string[]): Promise<number> {
  if (word === '--list') {
    const [list = '', prefix = ''] = rest;
    if (COMPLETED_LISTS.some((known) => known === list)) {
      const names = await namesOf(list, prefix).catch(() => []);
      if (names.length > 0) printLine(names.map(printable).join('\n'));
    }
    return 0;
  }
  parseOptions(rest, {});
  const shell = SHELLS.find((one) => one === word);
  if (shell === undefined) throw new ConfigError(`write: berth completion ${SHELLS.join('|')}`);
  printLine(completionScript(shell, { program: 'berth', help: HELP, commands: COMMAND_HELP }).trimEnd());
  return 0;
}

async function namesOf(list: string, prefix: string): Promise<readonly string[]> {
  const signal = AbortSignal.timeout(PATIENCE);
  const { chosenApi } = await import('./remote/registry-command.ts');
  const api = await chosenApi({}, signal);
  const get = async (path: string, search?: string) => {
    const query = new URLSearchParams({ limit: LIMIT, ...(search !== undefined && { search }) });
    return api.call<Readonly<Record<string, readonly { readonly name: string }[]>>>(
      'GET',
      search === undefined ? path : `${path}?${query}`,
      { signal },
    );
  };
  const own = prefix.startsWith(`${api.url.host}/`) ? `${api.url.host}/` : '';
  const text = prefix.slice(own.length);
  const named = async (path: string, key: string, search?: string) =>
    ((await get(path, search))[key] ?? []).map(({ name }) => name);
  const begin = (names: readonly string[]) =>
    names.map((name) => `${own}${name}`).filter((name) => name.startsWith(prefix));
  switch (list) {
    case 'apps':
    case 'hosts':
      return (await named(list, list)).filter((name) => name.startsWith(prefix));
    case 'images': {
      const colon = text.lastIndexOf(':');
      if (colon < 0)
        return begin(await named('repositories', 'repositories', text)).map((name) => `${name}:`);
      const repository = text.slice(0, colon);
      const path = `repositories/${encodeURIComponent(repository)}/tags`;
      const tags = await named(path, 'tags', text.slice(colon + 1));
      return begin(tags.map((tag) => `${repository}:${tag}`));
    }
    default:
      return begin(await named('repositories', 'repositories', text));
  }
}
