import { heredocStart } from '../heredoc.ts';
import type { Command, Instruction } from '../instruction.ts';
import { execForm } from '../words.ts';
import { parseMount } from './mount.ts';
import { checkFileName, FlagReader, refuse, type Written } from './written.ts';

type RunFields = Omit<Extract<Instruction, { readonly kind: 'run' }>, 'at' | 'text'>;

export function parseRun(written: Written): RunFields {
  const flags = new FlagReader(written, ['mount', 'network', 'security'], ['mount']);
  const network = flags.text('network') ?? 'default';
  if (network !== 'default' && network !== 'none' && network !== 'host') {
    throw refuse(
      written,
      `invalid network mode ${JSON.stringify(network)}: default, none and host are possible`,
    );
  }
  const security = flags.text('security') ?? 'sandbox';
  if (security !== 'sandbox' && security !== 'insecure') {
    throw refuse(
      written,
      `security ${JSON.stringify(security)} is not valid: sandbox and insecure are possible`,
    );
  }
  const mounts = flags.texts('mount').map((text) => parseMount(written, text));
  const { command, script } = parseRunCommand(written);
  return { kind: 'run', command, script, mounts, network, security };
}

function parseRunCommand(written: Written): Pick<RunFields, 'command' | 'script'> {
  const { heredocs, escapeToken } = written;
  const rest = written.rest.trim();
  if (rest === '') throw refuse(written, 'RUN requires at least one argument');
  const words = execForm(rest);
  if (words !== undefined) {
    if (words.length === 0) throw refuse(written, 'RUN needs a command');
    return { command: { form: 'exec', words }, script: undefined };
  }
  const [document] = heredocs;
  if (document !== undefined && heredocs.length === 1 && heredocStart(rest, escapeToken) !== undefined) {
    const isProgram = document.content.startsWith('#!');
    if (isProgram) checkFileName(written, document);
    return { command: { form: 'shell', text: document.content }, script: isProgram ? document : undefined };
  }
  const bodies = heredocs.map(({ name, content }) => `${content}${name}`);
  return { command: { form: 'shell', text: [rest, ...bodies].join('\n') }, script: undefined };
}

/** Parses CMD, ENTRYPOINT, or the command of a health check. */
export function parseCommand(rest: string): Command {
  const words = execForm(rest);
  return words === undefined ? { form: 'shell', text: rest } : { form: 'exec', words };
}
