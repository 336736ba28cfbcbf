import { flushCompileCache } from 'node:module';
import { loadTreeCalls } from '../../../lib/linux/files/tree-calls.ts';
import { TarParser } from '../../../lib/tar/tar-parser.ts';
import { writeExtractionFailure } from './extraction-failure.ts';
import { TreeWriter } from './tree-writer.ts';

/**
 * A program that unpacks the tar on its standard input into a folder, which it first makes its root, so that no path,
 * link or `..` of the tar can escape. Needs root.
 */
async function main(folder: string): Promise<void> {
  const calls = loadTreeCalls();
  // At its end Node would look for its cache folder inside the tree.
  flushCompileCache();
  calls.enterRoot(folder);
  process.umask(0);
  const writer = new TreeWriter(calls);
  const parser = new TarParser(writer);
  for await (const chunk of process.stdin) parser.push(chunk as Buffer);
  parser.finish();
  writer.finish();
}

try {
  await main(process.argv[2] ?? '');
} catch (error) {
  process.stderr.write(writeExtractionFailure(error));
  process.exitCode = 1;
}
