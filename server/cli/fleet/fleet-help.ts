const REGISTRY = `  --server URL          the registry (default: what BERTH_SERVER says, otherwise that of the last "berth login")
  --ca FILE             trust the certificate authorities in this PEM file as well (default: what BERTH_CA says)
  --insecure            allow http:// to another machine
BERTH_TOKEN holds a personal token, the secret of a robot, or USER:PASSWORD; without it the login that docker keeps counts.
`;

/** Options of commands that use a registry's API or the data of this machine. */
export const LOCAL = `${REGISTRY}With --data DIR, --database URL or --config FILE, as berth serve has them, or where no registry is named, it works on
the data of this machine.
`;

/** The option --format. */
export const FORMAT = `  --format FORMAT       table, json (one document) or jsonl (an object for each line); default: table
`;

const WAITING = `  --timeout TIME        how long each host may take until it is healthy (default 5m)
  --no-wait             do not wait for the end of the rollout; --wait is the default
Exit codes: 0 healthy on all hosts; 1 a newer release took its place, or the registry cannot be reached; 2 refused, and
nothing changed; 3 it failed, and was rolled back unless it is the first release or its policy says pause; 4 the rollback failed
as well; 5 nothing has changed for longer than --timeout, and it goes on; 130 interrupted by Ctrl-C, and it goes on.
`;

/** `berth COMMAND --help` of the commands about the fleet. */
export const FLEET_HELP = {
  host: `The machines that run apps. It is for administrators; readers of all repositories can list them.

Usage: berth host token [--label KEY=VALUE]…         print the line to run on a machine: it counts once, for an hour
       berth host ls                                 list hosts; also: berth hosts
       berth host inspect HOST…                      print all that is known, as JSON
       berth host label HOST KEY=VALUE…              set labels; KEY- removes one
       berth host drain HOST [--off]                 move instances away and place no others; --off ends that
       berth host rename HOST NAME
       berth host rm HOST…                           the host loses its access; its instances go on

A host is online, offline, unknown (not heard of for 90 seconds), or draining.

${FORMAT}${LOCAL}`,
  hosts: `Lists the machines that run apps, as berth host ls does.

Usage: berth hosts [options]

${FORMAT}${LOCAL}`,
  deploy: `Makes a release of a Compose file and brings it to the hosts of an app, some at a time, each only as long as all is
healthy. Hosts go back to the release before if it fails. It is for writers of the app's name.

Usage: berth deploy APP FILE [options]

  --on KEY=VALUE        use only hosts with this label; repeat it for more (default: as before)
  --follow              make a release by itself whenever a tag of one of its images moves; --no-follow ends that
  --dry-run             print what would change, and change nothing
  --env-file FILE       variables for the Compose file (default: .env beside it); those of the environment win
  --profile NAME        also deploy services with this profile; repeat it for more (default: COMPOSE_PROFILES)
${WAITING}${REGISTRY}FILE may be - for standard input. Each problem in it is a line FILE:LINE:COLUMN: SENTENCE.
`,
  apps: `Lists apps.

Usage: berth apps [options]

${FORMAT}${LOCAL}`,
  ps: `Lists the instances of an app.

Usage: berth ps APP [options]

${FORMAT}${LOCAL}`,
  history: `Lists the releases of an app, the newest first.

Usage: berth history APP [options]

  --limit NUMBER        at most so many (default 50)
  --before RELEASE      only releases before this one
${FORMAT}${LOCAL}`,
  logs: `Prints what the instances of an app have written, from all of its hosts. Exit code 1: a host could not be asked.

Usage: berth logs APP [SERVICE] [options]

  -f, --follow          go on with what they write from now on
  -n, --tail NUMBER     only the last lines of each instance
  --since TIME          from then on: so long ago, such as 10m, or 2026-11-27T08:00Z
  -t, --timestamps      with the time of each line
  --instance NUMBER     only this instance of the service
  --format FORMAT       json or jsonl: an object for each line, as it comes; default: table
${REGISTRY}`,
  exec: `Runs a command in an instance. It is for maintainers of the app's name.

Usage: berth exec [options] APP SERVICE COMMAND [ARGUMENT]…

  -i, --interactive     pass standard input on
  -t, --tty             with a terminal
  -u, --user USER       as this user, or USER:GROUP
  -w, --workdir DIR     in this folder
  -e, --env KEY=VALUE   with this variable; repeat it for more
  --instance NUMBER     in this instance (default: one that is healthy)
${REGISTRY}Exit codes: that of the command; 126 it cannot be run; 127 there is no such command; 125 refused, or the connection to the
instance was lost. A command whose client or connection is lost gets SIGHUP, with its process group.
`,
  rollback: `Makes a new release with the content of an older one, on all hosts at once. An app that follows tags is held until
"berth follow".

Usage: berth rollback APP [RELEASE] [options]

RELEASE is a number of "berth history" (default: the last one before that was healthy).
${WAITING}${REGISTRY}`,
  follow: `Has an app make a release whenever a tag of one of its images moves; also after a rollback, which held it.

Usage: berth follow APP [--off] [options]

  --off                 pushes make no releases from now on
${REGISTRY}`,
  restart: `Replaces the instances of an app, or of one service, by new ones of the same release content.

Usage: berth restart APP [SERVICE] [options]

${WAITING}${REGISTRY}`,
  scale: `Changes how many instances a service has on all hosts together.

Usage: berth scale APP SERVICE=NUMBER [options]

${WAITING}${REGISTRY}`,
  rm: `Removes an app: its instances, releases and secrets. Volumes stay on their hosts. It is for maintainers.

Usage: berth rm APP [--yes] [options]

  --yes                 do not ask
${REGISTRY}`,
  secret: `Values that instances read from /run/secrets/NAME. They are stored sealed, and never shown. It is for maintainers.

Usage: berth secret set APP NAME <FILE               a new version; running services that use it get a new release
       berth secret ls APP
       berth secret rm APP NAME

${FORMAT}${WAITING}${REGISTRY}`,
  running: `Lists the apps and hosts that run an image. Exit code 1: none does.

Usage: berth running DIGEST|IMAGE [options]

IMAGE is as docker has it, such as team/web:main, with or without the name of the registry.
${FORMAT}${REGISTRY}`,
} as const;
