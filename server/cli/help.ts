/** What `berth --help` prints. */
export const HELP = `Berth, a private OCI registry.

Usage: berth serve [options]

Options of serve, each with the environment variable that does the same:
  --listen HOST:PORT    BERTH_LISTEN     address to listen on (default 127.0.0.1:5000)
  --data DIR            BERTH_DATA       folder that holds everything (default /var/lib/berth for root,
                                         otherwise $XDG_DATA_HOME/berth or ~/.local/share/berth)
  --auth MODE           BERTH_AUTH       accounts: people log in (default); none: open to all
  --log-level LEVEL     BERTH_LOG_LEVEL  trace, debug, info (default), warn, error, fatal or silent
  --config FILE                          JSON object with the keys listen, data, auth and logLevel
  --help                                 print this
  --version                              print the version

BERTH_ADMIN_PASSWORD sets the password of the user "admin" at the first start. Without it a password is made
and printed once. Flags win over the environment, and that over the file.
`;
