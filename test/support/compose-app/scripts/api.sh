#!/bin/sh
# Answers one request: takes an order in and tells how many there are.
while read -r line && [ "${line%$(printf '\r')}" != '' ]; do :; done
PGPASSWORD=$(cat "$PASSWORD_FILE")
export PGPASSWORD
count=$(psql -qtAc 'insert into orders default values; select count(*) from orders' 2>&1) || count="error: $count"
printf 'HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n%s: %s\n' "$GREETING" "$count"
