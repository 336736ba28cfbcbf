import { heredocStart, withNames } from '../heredoc.ts';
import type { CopyInstruction, CopySource } from '../instruction.ts';
import { execForm, plainWords } from '../words.ts';
import { checkFileName, FlagReader, refuse, type Written } from './written.ts';

const COPY_FLAGS = ['from', 'chown', 'chmod', 'link', 'parents', 'exclude'];
/** Checksum of a file, or of a git repository. */
const CHECKSUM = /^(?:sha256:[0-9a-f]{64}|[0-9a-f]{1,64})$/i;
const ADD_FLAGS = ['chown', 'chmod', 'link', 'exclude', 'checksum', 'keep-git-dir', 'unpack'];

export function parseCopy(written: Written): CopyInstruction {
  const isAdd = written.keyword === 'ADD';
  const flags = new FlagReader(written, isAdd ? ADD_FLAGS : COPY_FLAGS, ['exclude']);
  const words = execForm(written.rest) ?? withNames(plainWords(written.rest.split('\n')[0] ?? ''));
  const destination = words.at(-1);
  if (words.length < 2 || destination === undefined) {
    throw refuse(
      written,
      `${written.keyword} requires at least two arguments, but only one was provided. Destination could not be determined`,
    );
  }
  const sources: string[] = [];
  for (const word of words.slice(0, -1)) {
    if (heredocStart(word, written.escapeToken) === undefined) sources.push(word);
  }
  for (const document of written.heredocs) checkFileName(written, document);
  const checksum = flags.text('checksum');
  if (checksum !== undefined && !CHECKSUM.test(checksum) && !checksum.includes('$')) {
    throw refuse(
      written,
      'the checksum must be sha256: and 64 hexadecimal digits, or the commit of a git repository',
    );
  }
  return {
    kind: isAdd ? 'add' : 'copy',
    from: copySource(flags.text('from')),
    sources,
    documents: written.heredocs,
    destination,
    chown: flags.text('chown'),
    chmod: flags.text('chmod'),
    link: flags.boolean('link') ?? false,
    parents: flags.boolean('parents') ?? false,
    exclude: flags.texts('exclude'),
    checksum,
    keepGitDir: flags.boolean('keep-git-dir'),
    unpack: flags.boolean('unpack'),
  };
}

export function copySource(name: string | undefined): CopySource {
  return name === undefined ? { kind: 'context' } : { kind: 'named', name };
}
