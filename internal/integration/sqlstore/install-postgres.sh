#!/bin/sh
# Installs PostgreSQL, whose programs the store's tests start as a server of their
# own. With -try it is no failure where that is not allowed (no root, no sudo
# without a password, no apt-get): the tests then skip, and say how to get it.
# With CI=true it is a failure all the same.
set -eu

there() {
	command -v postgres >/dev/null 2>&1 && return
	for program in /usr/lib/postgresql/*/bin/postgres /usr/pgsql-*/bin/postgres /usr/local/pgsql/bin/postgres; do
		[ -x "$program" ] && return
	done
	return 1
}

give_up() {
	echo "PostgreSQL is not installed: $1" >&2
	echo "The tests on PostgreSQL need it: as root, run apt-get update && apt-get install -y postgresql" >&2
	if [ "$mode" = -try ] && [ "${CI:-}" != true ]; then exit 0; fi
	exit 1
}

mode=${1:-}
there && exit 0
command -v apt-get >/dev/null 2>&1 || give_up "no apt-get here"
sudo=
if [ "$(id -u)" != 0 ]; then
	sudo='sudo -n'
	$sudo true 2>/dev/null || give_up "no root, and no sudo without a password"
fi
echo 'installing PostgreSQL for the tests (its package also brings a server of its own, which they do not use) ...' >&2
$sudo apt-get update -q || give_up "apt-get update failed"
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends postgresql || give_up "apt-get install failed"
there || give_up "apt-get installed no server"
