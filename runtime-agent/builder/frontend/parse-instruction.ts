import { dockerfileError } from './dockerfile-text.ts';
import type { Instruction } from './instruction.ts';
import type { LogicalLine } from './logical-lines.ts';
import { parseCopy } from './parse/copy.ts';
import { parseFrom } from './parse/from.ts';
import { parseHealthcheck } from './parse/healthcheck.ts';
import { parseArguments, parsePairs } from './parse/pairs.ts';
import { parseCommand, parseRun } from './parse/run.ts';
import { FlagReader, refuse, type Written } from './parse/written.ts';
import { splitFlags } from './split-flags.ts';
import { suggestion } from './suggest.ts';
import { execForm, plainWords } from './words.ts';

type WithoutPlace<T> = T extends unknown ? Omit<T, 'at' | 'text'> : never;
type Fields = WithoutPlace<Instruction>;

const HAVE_FLAGS = new Set(['FROM', 'RUN', 'COPY', 'ADD', 'HEALTHCHECK']);

const PARSERS: Readonly<Record<string, (written: Written) => Fields>> = {
  FROM: parseFrom,
  ARG: (written) => ({ kind: 'arg', pairs: parseArguments(written) }),
  ENV: (written) => ({ kind: 'env', pairs: parsePairs(written) }),
  LABEL: (written) => ({ kind: 'label', pairs: parsePairs(written) }),
  RUN: parseRun,
  COPY: parseCopy,
  ADD: parseCopy,
  CMD: (written) => ({ kind: 'cmd', command: parseCommand(written.rest.trim()) }),
  ENTRYPOINT: (written) => ({ kind: 'entrypoint', command: parseCommand(written.rest.trim()) }),
  WORKDIR: (written) => ({ kind: 'workdir', value: oneValue(written) }),
  USER: (written) => ({ kind: 'user', value: oneValue(written) }),
  STOPSIGNAL: (written) => ({ kind: 'stopsignal', value: oneValue(written) }),
  MAINTAINER: (written) => ({ kind: 'maintainer', value: oneValue(written) }),
  EXPOSE: (written) => ({ kind: 'expose', values: someValues(written, plainWords(written.rest)) }),
  VOLUME: (written) => {
    const values = someValues(written, execForm(written.rest) ?? plainWords(written.rest));
    if (values.some((value) => value.trim() === ''))
      throw refuse(written, 'VOLUME specified can not be an empty string');
    return { kind: 'volume', values };
  },
  SHELL: (written) => {
    const words = execForm(written.rest);
    if (words === undefined || words.length === 0) {
      throw refuse(written, 'SHELL requires the arguments to be in JSON form: SHELL ["/bin/sh", "-c"]');
    }
    return { kind: 'shell', words };
  },
  HEALTHCHECK: (written) => ({ kind: 'healthcheck', healthcheck: parseHealthcheck(written) }),
  ONBUILD: parseOnbuild,
};

/** Every instruction of the language. */
export const KEYWORDS = Object.keys(PARSERS);

/** Reads one instruction. Throws EngineError 'bad-request'. */
export function parseInstruction(line: LogicalLine, escapeToken: '\\' | '`'): Instruction {
  const { keyword, rest, heredocs, at } = line;
  const parse = Object.hasOwn(PARSERS, keyword) ? PARSERS[keyword] : undefined;
  if (parse === undefined) {
    throw dockerfileError(at, `unknown instruction: ${keyword.slice(0, 80)}${suggestion(keyword, KEYWORDS)}`);
  }
  const split = splitFlags(rest, escapeToken);
  const written: Written = { keyword, flags: split.flags, rest: split.rest, heredocs, escapeToken, at };
  if (!HAVE_FLAGS.has(keyword)) new FlagReader(written, []);
  // Each parser returns the fields of its kind; at and text are common to all.
  return { ...parse(written), at, text: `${keyword} ${rest}`.trim() } as Instruction;
}

function parseOnbuild(written: Written): Fields {
  const trigger = written.rest.trim();
  const keyword = (/^\S+/.exec(trigger)?.[0] ?? '').toUpperCase();
  if (keyword === '') throw refuse(written, 'ONBUILD requires at least one argument');
  if (keyword === 'ONBUILD') throw refuse(written, "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (keyword === 'FROM' || keyword === 'MAINTAINER') {
    throw refuse(written, `${keyword} isn't allowed as an ONBUILD trigger`);
  }
  if (!Object.hasOwn(PARSERS, keyword)) {
    throw refuse(written, `unknown instruction: ${keyword.slice(0, 80)}${suggestion(keyword, KEYWORDS)}`);
  }
  // Parsed now, so that the author sees a mistake, not the user of the image.
  const rest = trigger.slice(keyword.length).trimStart();
  parseInstruction({ keyword, rest, heredocs: written.heredocs, at: written.at }, written.escapeToken);
  const bodies = written.heredocs.map(({ name, content }) => `${content}${name}`);
  return { kind: 'onbuild', trigger: [trigger, ...bodies].join('\n') };
}

function oneValue(written: Written): string {
  const value = written.rest.trim();
  if (value === '') throw refuse(written, `${written.keyword} requires exactly one argument`);
  return value;
}

function someValues(written: Written, values: readonly string[]): readonly string[] {
  if (values.length === 0) throw refuse(written, `${written.keyword} requires at least one argument`);
  return values;
}
