#!/bin/sh
set -eu
PGPASSWORD=$(cat /run/secrets/db_password)
export PGPASSWORD
psql -q -h db -c 'create table if not exists orders (id serial primary key, shipped boolean not null default false)'
echo migrated
