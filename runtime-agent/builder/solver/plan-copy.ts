import { posix } from 'node:path';
import { dockerfileError } from '../frontend/dockerfile-text.ts';
import { fileModeChange } from '../frontend/file-mode-change.ts';
import type { Instruction } from '../frontend/instruction.ts';
import type { Planned, StageScope } from './stage-scope.ts';
import { copySource } from './stage-sources.ts';
import type { InlineFile } from './step.ts';

/** Plans a COPY or an ADD. Throws EngineError 'bad-request'. */
export function planCopy(
  scope: StageScope,
  instruction: Extract<Instruction, { readonly kind: 'copy' | 'add' }>,
): Planned {
  const expand = (text: string) => scope.expand(instruction, text);
  const keyword = instruction.kind.toUpperCase();
  const sources = instruction.sources.map(expand);
  const documents = instruction.documents.map(
    (document): InlineFile => ({
      name: document.name,
      content: document.expands ? scope.expandDocument(instruction, document.content) : document.content,
    }),
  );
  const written = expand(instruction.destination);
  const resolved = posix.resolve(scope.state.workingDirectory, written);
  const isFolder = /(?:^|\/)\.{0,2}$/.test(written);
  const chown = instruction.chown === undefined ? undefined : expand(instruction.chown);
  const chmod =
    instruction.chmod === undefined ? undefined : checkedMode(instruction, expand(instruction.chmod));
  const flags = [
    ...(chown === undefined ? [] : [`--chown=${chown}`]),
    ...(chmod === undefined ? [] : [`--chmod=${chmod}`]),
  ];
  const shown = [...flags, ...sources, ...documents.map(({ name }) => `<<${name}`), written].join(' ');
  return {
    history: `${keyword} ${shown} # buildkit`,
    op: {
      kind: 'copy',
      isAdd: instruction.kind === 'add',
      from: copySource(scope.names, scope.needed.stage, instruction.at, instruction.from),
      sources,
      documents,
      destination: isFolder && resolved !== '/' ? `${resolved}/` : resolved,
      chown,
      chmod,
      link: instruction.link,
      parents: instruction.parents,
      exclude: instruction.exclude.map(expand),
      checksum: instruction.checksum === undefined ? undefined : expand(instruction.checksum),
      keepGitDir: instruction.keepGitDir,
      unpack: instruction.unpack,
    },
  };
}

function checkedMode({ at, kind }: Instruction, text: string): string {
  if (fileModeChange(text) !== undefined) return text;
  throw dockerfileError(
    at,
    `${kind.toUpperCase()}: invalid chmod parameter ${JSON.stringify(text.slice(0, 40))}: it must be octal, such as 0755, or as chmod takes it, such as u=rwX,go=rX`,
  );
}
