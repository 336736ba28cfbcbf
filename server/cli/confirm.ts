import { createInterface } from 'node:readline/promises';
import { ConfigError } from '../../lib/settings/config-error.ts';
import { printable } from './printable.ts';

/**
 * Asks a question on the terminal; resolves to whether the answer is yes. Without a terminal, throws ConfigError, which
 * states `consequence` and requests --yes.
 */
export async function confirm(question: string, consequence: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw new ConfigError(`${consequence}: add --yes`);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${printable(question)} [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}
