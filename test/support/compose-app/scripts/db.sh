#!/bin/sh
set -eu
data=/var/lib/postgresql/data
if [ ! -s "$data/PG_VERSION" ]; then
  initdb -D "$data" -U "$PGUSER" -A scram-sha-256 --pwfile=/run/secrets/db_password \
    -E UTF8 --locale C --no-sync --no-instructions
  echo 'host all all all scram-sha-256' >>"$data/pg_hba.conf"
fi
exec postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories=/tmp -c shared_buffers=16MB -c fsync=off
