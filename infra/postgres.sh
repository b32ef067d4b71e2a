#!/usr/bin/env bash
# A private PostgreSQL under DIR, for development and tests.
#   postgres.sh start DIR [PORT]   make the cluster if there is none, and start it; does nothing when it runs
#   postgres.sh stop DIR
#   postgres.sh url DIR            of the run-time role, in the database mewayz
#   postgres.sh owner-url DIR      of the role that owns and migrates
#   postgres.sh admin-url DIR      of the superuser
#   postgres.sh wipe DIR           stop, and remove the data
# PG_BIN names the folder of initdb and postgres, where they are not to be searched.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/setup.sh"

[[ $# -ge 2 ]] || die "usage: postgres.sh start|stop|url|owner-url|admin-url|wipe DIR [PORT]"
command=$1
dir=$(folder "$2")
port_file=$dir/postgres.port
# A link where the server's user may not enter DIR (see make_home).
home=$(readlink -f "$dir/postgres")
data=$home/data

# find_bin [MAJOR]: the folder of initdb and postgres; that of MAJOR where the data asks for it.
find_bin() {
  local candidate
  for candidate in "${PG_BIN:-}" ${1:+"/usr/lib/postgresql/$1/bin"} "$(dirname "$(command -v initdb || true)")" \
    $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV); do
    if [[ -x $candidate/initdb && -x $candidate/postgres ]]; then echo "$candidate" && return; fi
  done
  return 1
}

need_postgres() {
  local major=
  if [[ -s $data/PG_VERSION ]]; then major=$(<"$data/PG_VERSION"); fi
  if ! bin=$(find_bin "$major"); then
    if can_install; then
      install_packages postgresql
      bin=$(find_bin "$major") || die "PostgreSQL was installed, but /usr/lib/postgresql/*/bin has no initdb"
    else
      die "PostgreSQL 15 or later is missing. On Debian or Ubuntu:" "  sudo apt-get install -y postgresql" \
        "or set PG_BIN to the folder of initdb and postgres, or DATABASE_URL to a server."
    fi
  fi
  if [[ -n $major && $("$bin/postgres" --version) != *" $major"[.\ ]* && $("$bin/postgres" --version) != *" $major" ]]; then
    die "$data was made by PostgreSQL $major, but only $("$bin/postgres" --version) is here:" \
      "  install PostgreSQL $major, or remove the data with: infra/postgres.sh wipe $dir"
  fi
}

# server COMMAND...: as the owner of the data; PostgreSQL refuses root.
server() {
  if is_root; then
    (cd / && runuser -u "$owner" -- "$@")
  else
    "$@"
  fi
}

# The folder of the data. Root's server runs as the user postgres, who cannot enter, say, /root:
# there the data lies under /var/lib/mewayz, and DIR/postgres is a link to it.
make_home() {
  if [[ -d $home ]]; then
    owner=$(stat -c %U "$home" 2>/dev/null || stat -f %Su "$home")
    if ! is_root && [[ $owner != "$(id -un)" ]]; then
      die "$home belongs to $owner: run this as $owner, or remove it with: sudo infra/postgres.sh wipe $dir"
    fi
    if ! is_root || [[ $owner != root ]]; then return; fi
    rm -rf "$home" # root was stopped between the two lines below
  fi
  owner=$(id -un)
  if ! is_root; then
    mkdir "$home"
    return
  fi
  owner=postgres
  id -u "$owner" >/dev/null 2>&1 || useradd --system --no-create-home --shell /usr/sbin/nologin "$owner"
  mkdir "$home"
  chown "$owner" "$home"
  if ! server test -w "$home" 2>/dev/null; then
    rmdir "$home"
    mkdir -p /var/lib/mewayz
    home=$(mktemp -d /var/lib/mewayz/XXXXXXXX)
    chown "$owner" "$home"
    ln -sfn "$home" "$dir/postgres"
    data=$home/data
    say "The user $owner cannot enter $dir: its data lies in $home"
  fi
}

# The cluster appears whole or not at all: it is made beside its place, roles included, then moved.
make_cluster() {
  local new=$home/new
  rm -rf "$new"
  say "Making a PostgreSQL cluster in $home"
  server "$bin/initdb" --pgdata="$new" --username=postgres --auth=trust --encoding=UTF8 --locale=C \
    --data-checksums >"$home/initdb.log" 2>&1 || die "initdb failed:" "$(tail -n 20 "$home/initdb.log")"
  printf 'host all all 127.0.0.1/32 trust\n' >"$new/pg_hba.conf"
  printf "include_if_exists 'mewayz.conf'\n" >>"$new/postgresql.conf"
  # Roles belong to the cluster, not to a database: migrations only grant to them.
  server "$bin/postgres" --single -D "$new" postgres >"$home/initdb.log" 2>&1 <<'SQL'
CREATE ROLE mewayz_owner LOGIN CREATEDB
CREATE ROLE mewayz_run LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS
CREATE ROLE mewayz_vault LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS
CREATE DATABASE mewayz OWNER mewayz_owner
SQL
  if grep -E 'ERROR|FATAL' "$home/initdb.log"; then die "the roles could not be made"; fi
  mv "$new" "$data"
}

postmaster() { head -n 1 "$data/postmaster.pid" 2>/dev/null || true; }
is_running() { runs "$(postmaster)" "$data"; }

write_settings() {
  { cat infra/postgres.conf && printf 'port = %s\n' "$(kept_port "$port_file" "${1:-}")"; } >"$home/mewayz.conf"
  chown "$owner" "$home/mewayz.conf"
  mv "$home/mewayz.conf" "$data/mewayz.conf"
}

# Roles that a cluster lacks which was made before there was a vault.
add_roles() {
  if [[ ! -x $bin/psql ]]; then return; fi
  PGOPTIONS='-c client_min_messages=warning' "$bin/psql" -q --no-psqlrc "$(url postgres postgres)" >/dev/null <<'SQL'
do $$ begin
  if not exists (select from pg_roles where rolname = 'mewayz_vault') then create role mewayz_vault login; end if;
end $$;
SQL
}

start() {
  need_postgres
  make_home
  if is_running; then
    add_roles
    return
  fi
  if [[ ! -d $data ]]; then make_cluster; fi
  # Left by a kill -9; its number may by now be another process's, and PostgreSQL would believe it.
  rm -f "$data/postmaster.pid"
  local log=$home/log
  for _ in {1..100}; do
    write_settings "${1:-}"
    if server "$bin/pg_ctl" start --silent --wait --timeout=300 --pgdata="$data" --log="$log" \
      >/dev/null 2>"$home/pg_ctl.log" </dev/null; then
      say "PostgreSQL runs on 127.0.0.1:$(<"$port_file")"
      add_roles
      return
    fi
    # Backends of a killed server may need a moment to see it; a port may have been taken in between.
    tail -n 5 "$log" | grep -qE 'still in use|already in use' || break
    sleep 0.2
  done
  die "PostgreSQL did not start; the end of $log:" "$(tail -n 20 "$log")"
}

stop() {
  if ! is_running; then return; fi
  owner=$(stat -c %U "$home" 2>/dev/null || stat -f %Su "$home")
  need_postgres
  server "$bin/pg_ctl" stop --silent --mode=fast --wait --timeout=60 --pgdata="$data" >/dev/null ||
    server "$bin/pg_ctl" stop --silent --mode=immediate --wait --pgdata="$data" >/dev/null
}

url() {
  [[ -s $port_file ]] || die "there is no PostgreSQL in $dir: start it first"
  echo "postgres://$1@127.0.0.1:$(<"$port_file")/$2"
}

case $command in
  start) start "${3:-}" ;;
  stop) stop ;;
  url) url mewayz_run mewayz ;;
  owner-url) url mewayz_owner mewayz ;;
  admin-url) url postgres postgres ;;
  wipe) stop && rm -rf "$home" "$dir/postgres" "$port_file" ;;
  *) die "unknown command: $command" ;;
esac
