/** A program as its help describes it. */
export interface Manual {
  readonly program: string;
  readonly version: string;
  /** One line. */
  readonly about: string;
  /** What `PROGRAM --help` prints. */
  readonly help: string;
  /** What `PROGRAM COMMAND --help` prints, by command; empty for a program that tells all at once. */
  readonly commands: Readonly<Record<string, string>>;
}

/** The page of man(1), in troff: the text of the help, as it is on a terminal. */
export function manPage({ about, commands, help, program, version }: Manual): string {
  const parts = [
    `.TH ${program.toUpperCase()} 1 "" "Berth ${version}" "Berth"`,
    '.SH NAME',
    `${program} \\- ${escaped(about)}`,
    '.SH DESCRIPTION',
    literal(help),
    ...Object.entries(commands).flatMap(([name, text]) => [
      `.SH ${program.toUpperCase()} ${name.toUpperCase()}`,
      literal(text),
    ]),
    '.SH SEE ALSO',
    `/usr/share/doc/${program}/README.md`,
  ];
  return `${parts.join('\n')}\n`;
}

function literal(text: string): string {
  const lines = text.trimEnd().split('\n');
  return ['.nf', ...lines.map(escaped), '.fi'].join('\n');
}

/** A dot or an apostrophe at the beginning of a line would be a request to troff. */
function escaped(line: string): string {
  return line
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(?=[.'])/, '\\&');
}

/** What can stand on a command line. */
export interface Words {
  /** After the program. */
  readonly commands: readonly string[];
  /** By command: the words and options after it. */
  readonly after: Readonly<Record<string, readonly string[]>>;
  /** Without a command. */
  readonly options: readonly string[];
}

/** Reads the words of a command line out of the help. */
export function wordsOf({ commands, help, program }: Manual): Words {
  const own = Object.keys(commands);
  const names = own.length > 0 ? own : subcommands(help, `${program} `);
  const options = optionsIn(help);
  const after = Object.fromEntries(
    names.map((name) => {
      const text = commands[name] ?? help;
      return [name, [...subcommands(text, `${program} ${name} `), ...optionsIn(text)]];
    }),
  );
  return { commands: names, after, options };
}

/** The words that stand after `start` in lines of usage. */
function subcommands(help: string, start: string): readonly string[] {
  const found = usageOf(help).flatMap((line) => {
    const text = line.replace(/^Usage:/, '').trim();
    const words = /^[a-z][a-z-]*(?: \| [a-z][a-z-]*)*(?=\s|$)/.exec(text.slice(start.length))?.[0];
    return text.startsWith(start) && words !== undefined ? words : [];
  });
  return [...new Set(found.flatMap((text) => text.split(' | ')))];
}

/** The options of the lines of usage, and those that are explained. */
function optionsIn(help: string): readonly string[] {
  const explained = help.split('\n').flatMap((line) => /^(?: {2}(?:-\w, )?--\S+|--.*)/.exec(line)?.[0] ?? []);
  const found = [...usageOf(help), ...explained].flatMap(
    (line) => line.match(/(?<![\w-])--[a-z][a-z0-9-]*/g) ?? [],
  );
  return [...new Set(found)].sort();
}

/** From `Usage:` to the next empty line. */
function usageOf(help: string): readonly string[] {
  const lines = help.split('\n');
  const first = lines.findIndex((line) => line.startsWith('Usage:'));
  if (first < 0) return [];
  const end = lines.indexOf('', first);
  return lines.slice(first, end < 0 ? lines.length : end);
}

/** A completion for bash. */
export function bashCompletion(manual: Manual): string {
  const { program } = manual;
  const { after, commands, options } = wordsOf(manual);
  const name = `_${program.replaceAll('-', '_')}`;
  const cases = commands.map((command) => `    ${command}) words="${(after[command] ?? []).join(' ')}" ;;`);
  return `# Completion of ${program} for bash.
${name}() {
  local word="\${COMP_WORDS[COMP_CWORD]}" words
  case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then words="${[...commands, ...options].join(' ')}"; fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -o default -F ${name} ${program}
`;
}

/** A completion for zsh. */
export function zshCompletion(manual: Manual): string {
  const { program } = manual;
  const { after, commands, options } = wordsOf(manual);
  const cases = commands.map(
    (command) => `  ${command}) compadd -- ${(after[command] ?? []).join(' ')}; _files ;;`,
  );
  return `#compdef ${program}
# Completion of ${program} for zsh.
if (( CURRENT == 2 )); then
  compadd -- ${[...commands, ...options].join(' ')}
  return
fi
case "$words[2]" in
${cases.join('\n')}
  *) _files ;;
esac
`;
}

/** A completion for fish. */
export function fishCompletion(manual: Manual): string {
  const { program } = manual;
  const { after, commands } = wordsOf(manual);
  const lines = commands.flatMap((command) => [
    `complete -c ${program} -n __fish_use_subcommand -a ${command}`,
    ...(after[command] ?? []).map((word) =>
      word.startsWith('--')
        ? `complete -c ${program} -n '__fish_seen_subcommand_from ${command}' -l ${word.slice(2)}`
        : `complete -c ${program} -f -n '__fish_seen_subcommand_from ${command}' -a ${word}`,
    ),
  ]);
  return `# Completion of ${program} for fish.\n${lines.join('\n')}\n`;
}
