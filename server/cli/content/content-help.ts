import { FORMAT, LOCAL } from '../fleet/fleet-help.ts';

/** `berth COMMAND --help` of the commands about the content. */
export const CONTENT_HELP = {
  repo: `Repositories that you may see.

Usage: berth repo ls [--search TEXT] [--sort name|size|pushed|pulled]
       berth repo du                                 what they take, the largest first
       berth repo rm REPOSITORY [--dry-run] [--force] [--yes]
                                                     delete all of its tags and manifests

  --dry-run             delete nothing, and tell the tags and bytes; exit code 1 when it would be refused
  --force               also delete what an app runs
  --yes                 do not ask
Nothing is deleted when a rule keeps one of the tags. What was deleted so cannot be restored: push it again.
SIZE is the bytes of all blobs of a repository, each once.

${FORMAT}${LOCAL}`,
  tag: `Tags, and what they name. An IMAGE is team/app:1.0 or team/app@sha256:…; it may begin with the registry's name.

Usage: berth tag ls REPOSITORY [--search TEXT] [--sort name|time]
       berth tag inspect IMAGE…                      print all that is known, as JSON
       berth tag rm IMAGE… [--dry-run] [--force]     delete it, and tell what goes and what becomes free
       berth tag cp IMAGE TARGET [--referrers]       copy it within the registry: no content moves
       berth tag restore REPOSITORY:TAG              the tag points at its last manifest again
       berth tag diff IMAGE OTHER [--platform P]     layers, configuration, environment, labels and packages that differ

  --dry-run             delete nothing, and tell what would go; exit code 1 when it would be refused
  --force               also delete what an app runs
  --referrers           copy signatures, SBOMs and others that are about it too
TARGET is team/app:1.0, or team/app for the same tag. A tag can be restored until garbage collection has taken its
manifest. A manifest that is deleted by its digest is gone at once, with its tags: push it again. OTHER may be a tag or
digest of the same repository alone. Packages are those that the SBOMs of the two images list.

${FORMAT}${LOCAL}`,
  manifest: `Manifests of repositories, with a tag or without. An IMAGE is team/app@sha256:….

Usage: berth manifest ls REPOSITORY [--untagged]
       berth manifest inspect IMAGE…                 print all that is known, as JSON
       berth manifest rm IMAGE… [--dry-run] [--force]
                                                     delete it and its tags, and tell what becomes free

  --untagged            only those that neither a tag, an index nor a subject holds
  --dry-run             delete nothing, and tell what would go; exit code 1 when it would be refused
  --force               also delete what an app runs

${FORMAT}${LOCAL}`,
  completion: `Prints the script that completes the words of berth in a shell, and names of the registry that commands use.

Usage: berth completion bash|zsh|fish

The Debian package has these scripts in place. Otherwise, for bash: eval "$(berth completion bash)" in ~/.bashrc; for zsh:
berth completion zsh >"\${fpath[1]}/_berth"; for fish: berth completion fish >~/.config/fish/completions/berth.fish
`,
  context: `Registries of "berth login". Commands use the current one, unless they have --server or BERTH_SERVER.

Usage: berth context ls                              list them; * marks the current one
       berth context use NAME
       berth context rm NAME                         forget it; "docker logout" ends the login that docker keeps

${FORMAT}NAME is the host of the registry, such as registry.example.org:8443. They are kept in berth.json beside docker's
config.json, readable by you alone.
`,
} as const;
