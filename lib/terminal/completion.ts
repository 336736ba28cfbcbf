/** A program as described by its help; completion parses the words from it. */
export interface Program {
  readonly program: string;
  /** Output of `PROGRAM --help`. */
  readonly help: string;
  /** Output of `PROGRAM COMMAND --help`, by command; empty for a program with a single help text. */
  readonly commands: Readonly<Record<string, string>>;
}

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** Lists of `PROGRAM completion --list LIST PREFIX`, which prints one item per line. */
export const COMPLETED_LISTS = ['repositories', 'images', 'apps', 'hosts'] as const;
export type List = (typeof COMPLETED_LISTS)[number];

/** The list for each placeholder in the help. */
const LISTS: Readonly<Record<string, List>> = {
  REPOSITORY: 'repositories',
  IMAGE: 'images',
  APP: 'apps',
  HOST: 'hosts',
};

/** Returns a shell script that completes the words of a program. */
export function completionScript(shell: Shell, program: Program): string {
  return { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion }[shell](program);
}

/** The words of a command line. */
export interface Words {
  /** After the program. */
  readonly commands: readonly string[];
  /** By command: the words and options after it. */
  readonly after: Readonly<Record<string, readonly string[]>>;
  /** Without a command. */
  readonly options: readonly string[];
  /** Lists that the program prints, by command and its first word (or `''`), for the words that follow. */
  readonly asked: readonly {
    readonly command: string;
    readonly first: string;
    readonly list: List;
  }[];
}

/** Parses the words of a command line from the help. */
export function wordsOf({ commands, help, program }: Program): Words {
  const own = Object.keys(commands);
  const names = own.length > 0 ? own : subcommands(help, `${program} `);
  const options = optionsIn(help);
  const after = Object.fromEntries(
    names.map((name) => {
      const text = commands[name] ?? help;
      return [name, [...subcommands(text, `${program} ${name} `), ...optionsIn(text)]];
    }),
  );
  const asked = names.flatMap((name) => listsIn(commands[name] ?? help, program, name));
  return { commands: names, after, options, asked };
}

/** Returns the words after `start` in lines of usage. */
function subcommands(help: string, start: string): readonly string[] {
  const found = usageOf(help).flatMap((line) => {
    const text = line.replace(/^Usage:/, '').trim();
    const words = /^[a-z][a-z-]*(?: ?\| ?[a-z][a-z-]*)*(?=\s|$)/.exec(text.slice(start.length))?.[0];
    return text.startsWith(start) && words !== undefined ? words : [];
  });
  return [...new Set(found.flatMap((text) => text.split(/ ?\| ?/)))];
}

/** Returns the list for the first placeholder of each line of usage, where the program has one. */
function listsIn(help: string, program: string, command: string): Words['asked'] {
  return usageOf(help).flatMap((line) => {
    const words = line
      .replace(/^Usage:/, '')
      .trim()
      .split(/\s+/);
    if (words[0] !== program || words[1] !== command) return [];
    const at = words.findIndex((word, index) => index > 1 && /^[A-Z]/.test(word));
    const placeholder = /^[A-Z]+/.exec(words[at] ?? '')?.[0] ?? '';
    const list = words[at]?.startsWith('REPOSITORY:TAG') ? 'images' : LISTS[placeholder];
    if (list === undefined || at > 3) return [];
    const first = at === 3 && /^[a-z]/.test(words[2] ?? '') ? (words[2] ?? '') : '';
    return [{ command, first, list }];
  });
}

/** Returns the options in lines of usage, and those that are explained. */
function optionsIn(help: string): readonly string[] {
  const explained = help.split('\n').flatMap((line) => /^(?: {2}(?:-\w, )?--\S+|--.*)/.exec(line)?.[0] ?? []);
  const found = [...usageOf(help), ...explained].flatMap(
    (line) => line.match(/(?<![\w-])--[a-z][a-z0-9-]*/g) ?? [],
  );
  return [...new Set(found)].sort();
}

/** Returns the text from `Usage:` to the next empty line. */
function usageOf(help: string): readonly string[] {
  const lines = help.split('\n');
  const first = lines.findIndex((line) => line.startsWith('Usage:'));
  if (first < 0) return [];
  const end = lines.indexOf('', first);
  return lines.slice(first, end < 0 ? lines.length : end);
}

function bashCompletion(manual: Program): string {
  const { program } = manual;
  const { after, asked, commands, options } = wordsOf(manual);
  const name = `_${program.replaceAll('-', '_')}`;
  const cases = commands.map((command) => `    ${command}) words="${(after[command] ?? []).join(' ')}" ;;`);
  const lists = asked.map(({ command, first, list }) => `    ${pattern(command, first)}) list=${list} ;;`);
  return `# Completion of ${program} for bash.
${name}() {
  local line="\${COMP_LINE:0:COMP_POINT}" words= list= at word
  local -a said
  # As the shell has it, without taking a colon for the end of a word.
  read -ra said <<<"$line"
  word=
  case "$line" in *[[:space:]]) ;; *) word="\${said[-1]}"; unset 'said[-1]' ;; esac
  at=\${#said[@]}
  case "\${said[1]}" in
${cases.join('\n')}
  esac
  if [ "$at" -eq 1 ]; then words="${[...commands, ...options].join(' ')}"; fi
  case "\${said[1]} \${said[2]} " in
${lists.length === 0 ? '    *) ;;' : lists.join('\n')}
  esac
  COMPREPLY=()
  if [ -n "$list" ] && [ "$at" -gt 1 ] && [ "\${word:0:1}" != - ]; then
    mapfile -t COMPREPLY < <("\${said[0]}" completion --list "$list" "$word" 2>/dev/null)
    case "\${COMPREPLY[*]}" in *:) compopt -o nospace ;; esac
    local colons="\${word%"\${word##*:}"}"
    COMPREPLY=("\${COMPREPLY[@]#"$colons"}")
  fi
  [ "\${#COMPREPLY[@]}" -gt 0 ] || mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -o default -F ${name} ${program}
`;
}

/** Returns a pattern for `command first ` in a shell's `case`. */
function pattern(command: string, first: string): string {
  return first === '' ? `"${command} "*` : `"${command} ${first} "`;
}

function zshCompletion(manual: Program): string {
  const { program } = manual;
  const { after, asked, commands, options } = wordsOf(manual);
  const cases = commands.map(
    (command) => `  ${command}) compadd -- ${(after[command] ?? []).join(' ')}; _files ;;`,
  );
  const lists = asked.map(({ command, first, list }) => `    ${pattern(command, first)}) list=${list} ;;`);
  return `#compdef ${program}
# Completion of ${program} for zsh.
if (( CURRENT == 2 )); then
  compadd -- ${[...commands, ...options].join(' ')}
  return
fi
local list= said
local -a found
if [[ "$PREFIX" != -* ]]; then
  said="$words[2] "
  if (( CURRENT > 3 )); then said="$words[2] $words[3] "; fi
  case "$said" in
${lists.length === 0 ? '    *) ;;' : lists.join('\n')}
  esac
fi
if [[ -n "$list" ]]; then
  found=("\${(@f)$("$words[1]" completion --list "$list" "$PREFIX" 2>/dev/null)}")
  found=("\${(@)found:#}")
  if (( $#found )); then
    if [[ "\${found[1]}" == *: ]]; then compadd -S '' -- "\${found[@]}"; else compadd -- "\${found[@]}"; fi
    return
  fi
fi
case "$words[2]" in
${cases.join('\n')}
  *) _files ;;
esac
`;
}

function fishCompletion(manual: Program): string {
  const { program } = manual;
  const { after, asked, commands, options } = wordsOf(manual);
  const seen = (word: string) => `__fish_seen_subcommand_from ${word}`;
  const lines = [
    ...options.map((word) => `complete -c ${program} -n __fish_use_subcommand -l ${word.slice(2)}`),
    ...commands.flatMap((command) => [
      `complete -c ${program} -f -n __fish_use_subcommand -a ${command}`,
      ...(after[command] ?? []).map((word) =>
        word.startsWith('--')
          ? `complete -c ${program} -n '${seen(command)}' -l ${word.slice(2)}`
          : `complete -c ${program} -f -n '${seen(command)}' -a ${word}`,
      ),
    ]),
    ...asked.map(
      ({ command, first, list }) =>
        `complete -c ${program} -f -n '${[command, ...(first === '' ? [] : [first])].map(seen).join('; and ')}' ` +
        `-a '(${program} completion --list ${list} (commandline -ct) 2>/dev/null)'`,
    ),
  ];
  return `# Completion of ${program} for fish.\n${lines.join('\n')}\n`;
}
