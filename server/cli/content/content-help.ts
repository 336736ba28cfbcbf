import { FORMAT, LOCAL } from '../fleet/fleet-help.ts';

/** What `berth COMMAND --help` prints for the commands about the content. */
export const CONTENT_HELP = {
  repo: `Repositories that you may see.

Usage: berth repo ls [--search TEXT] [--sort name|size|pushed|pulled]
       berth repo du                                 what they take, the largest first

SIZE is the bytes of all blobs of a repository, each once.

${FORMAT}${LOCAL}`,
  tag: `Tags, and what they name. An IMAGE is team/app:1.0 or team/app@sha256:…; it may begin with the registry's name.

Usage: berth tag ls REPOSITORY [--search TEXT] [--sort name|time]
       berth tag inspect IMAGE…                      print all that is known, as JSON
       berth tag rm IMAGE… [--dry-run] [--force]     delete it, and tell what goes and what becomes free
       berth tag restore REPOSITORY:TAG              the tag points at its last manifest again
       berth tag diff IMAGE OTHER [--platform P]     layers, configuration, environment, labels and packages that differ

  --dry-run             delete nothing, and tell what would go; exit code 1 when it would be refused
  --force               also delete what an app runs
A tag can be restored until garbage collection has taken its manifest. A manifest that is deleted by its digest is gone at
once, with its tags: push it again. OTHER may be a tag or digest of the same repository alone. Packages are those that the SBOMs
of the two images list.

${FORMAT}${LOCAL}`,
} as const;
