import { EngineError } from '../../../errors.ts';

/** The options of a frontend, as clients send them: a flat map of texts. */
export type FrontendOptions = ReadonlyMap<string, string>;

/** Returns the options with a prefix, without it. */
export function optionsBelow(options: FrontendOptions, prefix: string): ReadonlyMap<string, string> {
  return new Map(
    [...options]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value]),
  );
}

/** A line of comma-separated values (RFC 4180), quotes as Go's encoding/csv writes them. Throws EngineError 'bad-request'. */
export function splitCsv(line: string): readonly string[] {
  if (line === '') return [];
  const fields: string[] = [];
  const field = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/y;
  for (;;) {
    const match = field.exec(line);
    if (match === null) throw new EngineError('bad-request', `"${line}" is not a list of values with commas`);
    fields.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '');
    if (match[3] === '') return fields;
  }
}
