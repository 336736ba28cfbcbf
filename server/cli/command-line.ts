import { ConfigError } from '../config.ts';
import { HELP } from './help.ts';

/** A command of the program. Answers the exit code; throws ConfigError when it was called wrongly. */
export type Command = (args: readonly string[]) => Promise<number>;

export interface CommandLine {
  readonly commands: Readonly<Record<string, Command>>;
  readonly version: string;
}

/** Runs what `args` (without node and the script) ask for and answers the exit code. Prints errors as one sentence. */
export async function runCommandLine(args: readonly string[], line: CommandLine): Promise<number> {
  const [name, ...rest] = args;
  try {
    if (name === '--version') return print(`${line.version}\n`);
    if (name === '--help' || name === '-h' || name === 'help') return print(HELP);
    if (name === undefined)
      throw new ConfigError('no command was given: try "berth serve" or "berth --help"');
    const command = Object.hasOwn(line.commands, name) ? line.commands[name] : undefined;
    if (command === undefined) {
      const what = name.startsWith('-') ? 'option' : 'command';
      throw new ConfigError(`the ${what} "${name}" is not known: try "berth --help"`);
    }
    if (rest.includes('--help') || rest.includes('-h')) return print(HELP);
    if (rest.includes('--version')) return print(`${line.version}\n`);
    return await command(rest);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`berth: ${error.message}\n`);
    return 2;
  }
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}
