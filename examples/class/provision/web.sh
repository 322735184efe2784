#!/bin/sh
# web1 and web2: the application server, on port 8000.
#
#   DB_HOST, DB_PASSWORD  where the database is, and the application's password there
#
# Teaches: files come by `copy` in the Labfile, before any script runs; machines know each other by name; a service is
# started now by `service`, and on every boot by `update-rc.d`.
set -eu
: "${DB_HOST:?is not set: give it in the env of this script, in the Labfile}"
: "${DB_PASSWORD:?is not set: give it in the env of this script, in the Labfile}"

# What only this machine's administrator may read.
umask 077
printf 'DB_HOST=%s\nDB_PASSWORD=%s\n' "$DB_HOST" "$DB_PASSWORD" >/etc/class-app.conf

umask 022
cp /srv/app/class-app.init /etc/init.d/class-app
chmod 755 /etc/init.d/class-app
update-rc.d class-app defaults 30
service class-app restart

# Started is not yet ready: the next script, and the next machine, may count on an answer.
tries=0
until curl -sfo /dev/null --max-time 5 http://localhost:8000/ready; do
  tries=$((tries + 1))
  if [ $tries -ge 60 ] || ! service class-app status >/dev/null; then
    cat /var/log/class-app.log >&2
    exit 1
  fi
  sleep 0.5
done
echo "the application answers on port 8000"
