import { ConfigError } from '../../lib/settings/config-error.ts';
import { advice, parseWords } from './parse-options.ts';
import { tellLine } from './printable.ts';
import { type Contexts, readContexts, writeContexts } from './remote/chosen-registry.ts';
import { FORMAT_OPTION, parseFormat, printRows } from './remote/table.ts';

const ACTIONS = ['ls', 'use', 'rm'] as const;

/** `berth context`: registries of `berth login`. Throws ConfigError. */
export async function context([action = '', ...args]: readonly string[]): Promise<number> {
  switch (action) {
    case 'ls': {
      const { values } = parseWords(args, FORMAT_OPTION, 'context ls');
      const format = parseFormat(values.format);
      const { contexts, current } = await readContexts(process.env);
      const rows = [...contexts].map(([name, kept]) => ({ name, ...kept, current: name === current }));
      printRows(format, rows, [
        { head: 'CURRENT', cell: ({ current: isCurrent }) => (isCurrent ? '*' : '') },
        { head: 'NAME', cell: ({ name }) => name },
        { head: 'SERVER', cell: ({ server }) => server },
      ]);
      return 0;
    }
    case 'use': {
      const [name = ''] = parseWords(args, {}, 'context use NAME').words;
      const kept = await readContexts(process.env);
      refuseUnknown(kept, name);
      await writeContexts({ ...kept, current: name }, process.env);
      tellLine(`Commands without --server use ${name} from now on.`);
      return 0;
    }
    case 'rm': {
      const [name = ''] = parseWords(args, {}, 'context rm NAME').words;
      const { contexts, current } = await readContexts(process.env);
      refuseUnknown({ contexts }, name);
      const others = new Map([...contexts].filter(([one]) => one !== name));
      await writeContexts({ contexts: others, current: current === name ? undefined : current }, process.env);
      return 0;
    }
    default:
      throw new ConfigError(
        `${action === '' ? 'an action is missing' : `berth context has no "${action}"`}: it has ${ACTIONS.join(', ')}: ` +
          advice(action, ACTIONS, '"berth context --help"'),
      );
  }
}

function refuseUnknown({ contexts }: Pick<Contexts, 'contexts'>, name: string): void {
  if (contexts.has(name)) return;
  throw new ConfigError(
    `there is no context "${name}": ${advice(name, [...contexts.keys()], '"berth context ls"')}`,
  );
}
