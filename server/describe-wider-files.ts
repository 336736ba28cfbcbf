import { widerFiles } from '../lib/files/wider-files.ts';
import { ROWS_FOLDER } from '../storage/kept-rows/read-rows.ts';
import { NAMES_FOLDER } from '../storage/names/names-snapshot.ts';

/** The files of a data folder, beside content, that others than its owner may use: a sentence for each. */
export function describeWiderFiles(data: string): readonly string[] {
  return widerFiles(data, [NAMES_FOLDER, ROWS_FOLDER]).map(
    ({ path, mode }) =>
      `${path} may hold secrets, and others on this machine may use it (mode ${mode}): run chmod 600 ${path}`,
  );
}
