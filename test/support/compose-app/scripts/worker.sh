#!/bin/sh
PGPASSWORD=$(cat /run/secrets/db_password)
export PGPASSWORD
trap 'echo stopping; exit 0' TERM
while :; do
  psql -h db -qtAc 'with done as (update orders set shipped = true where not shipped returning id) select count(*) from done' |
    sed 's/^/shipped /'
  sleep 0.5 &
  wait $!
done
