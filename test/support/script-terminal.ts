import { type CommandResult, runCommand } from './run-command.ts';

/** Runs a shell command line at a terminal of its own (script(1)), of the size that is given, and types `input`. */
export async function atTerminal(
  commandLine: string,
  options: {
    readonly rows?: number;
    readonly columns?: number;
    readonly input?: string;
    readonly expectExit?: number | 'any';
  } = {},
): Promise<CommandResult> {
  const { rows = 24, columns = 80, input = '', expectExit = 0 } = options;
  const ran = await runCommand(
    'script',
    ['-qec', `stty rows ${rows} cols ${columns}; ${commandLine}`, '/dev/null'],
    { expectExit, input },
  );
  // script(1) types a NUL when its own input ends, which the terminal echoes.
  return { ...ran, stdout: ran.stdout.replaceAll('^@', '').replaceAll('\0', '') };
}
