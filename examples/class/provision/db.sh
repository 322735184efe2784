#!/bin/sh
# db1: a PostgreSQL database that the application servers reach over the private network.
#
#   db.sh NETWORK         NETWORK may connect; DB_PASSWORD is the application's password
#
# Teaches: arguments and the environment come from the Labfile; a script that is run twice does no harm.
set -eu
network=$1
: "${DB_PASSWORD:?is not set: give it in the env of this script, in the Labfile}"

# Started now, and on every boot.
update-rc.d postgresql defaults
service postgresql start

sql() { (cd / && sudo -u postgres sh -c 'PATH=$PATH:$(echo /usr/lib/postgresql/*/bin) exec psql "$@"' psql -qX -v ON_ERROR_STOP=1 "$@"); }

# Who may come in from where: the application, from the lab's machines, with its password.
access=$(sql -At -c 'SHOW hba_file')
rule="host app app $network md5"
grep -qxF "$rule" "$access" || echo "$rule" >>"$access"

# The application's user, database and table. Each is made only where it is not there.
sql -v password="$DB_PASSWORD" -v network="$network" <<'END'
SELECT 'CREATE ROLE app LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'app') \gexec
ALTER ROLE app PASSWORD :'password';
SELECT 'CREATE DATABASE app OWNER app' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'app') \gexec
SELECT pg_reload_conf() \g /dev/null
\connect app
SET client_min_messages = warning;
CREATE TABLE IF NOT EXISTS visits (machine text PRIMARY KEY, count bigint NOT NULL);
ALTER TABLE visits OWNER TO app;
END

echo "the database is open to $network"
