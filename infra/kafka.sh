#!/usr/bin/env bash
# A private Apache Kafka (KRaft, one node) under DIR, for development and tests.
#   kafka.sh start DIR     does nothing when it runs; exit code 3 where Java or Maven is missing
#   kafka.sh stop DIR
#   kafka.sh brokers DIR   127.0.0.1:PORT
#   kafka.sh wipe DIR      stop, and remove the data

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/setup.sh"

[[ $# == 2 ]] || die "usage: kafka.sh start|stop|brokers|wipe DIR"
command=$1
dir=$(folder "$2")
home=$dir/kafka
port_file=$dir/kafka.port
lib=$CACHE/kafka-4.3.0

java_is_new() {
  local version
  version=$("$1" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')
  [[ -n $version ]] && ((version >= 17))
}

find_java() {
  local candidate
  for candidate in "${JAVA_HOME:+$JAVA_HOME/bin/java}" "$(command -v java || true)" /usr/lib/jvm/*/bin/java; do
    if [[ -x $candidate ]] && java_is_new "$candidate"; then echo "$candidate" && return; fi
  done
  return 1
}

# The packages of Java differ between releases of Debian and Ubuntu.
java_package() {
  local name
  for name in openjdk-21-jre-headless openjdk-17-jre-headless; do
    if [[ -n $(apt-cache search --names-only "^$name$") ]]; then echo "$name" && return; fi
  done
  echo default-jre-headless
}

need_java() {
  if java=$(find_java); then return; fi
  if can_install; then
    apt-get update -qq
    install_packages "$(java_package)" && java=$(find_java) && return
  fi
  die 3 "Kafka needs Java 17 or later. On Debian or Ubuntu:" "  sudo apt-get install -y openjdk-17-jre-headless maven" \
    "or set KAFKA_BROKERS to brokers that run already."
}

# The jars come once per machine, whole or not at all.
need_jars() {
  if [[ -d $lib ]]; then return; fi
  if ! command -v mvn >/dev/null; then
    if can_install; then
      install_packages maven
    else
      die 3 "Kafka is fetched with Maven, which is missing. On Debian or Ubuntu:" "  sudo apt-get install -y maven"
    fi
  fi
  say "Fetching Apache Kafka 4.3.0 (44 MB) into $lib"
  mkdir -p "$CACHE"
  local new
  new=$(mktemp -d "$CACHE/kafka.XXXXXX")
  if ! mvn -q -B --strict-checksums -f infra/kafka/pom.xml dependency:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$new" >"$new/log" 2>&1; then
    say "$(tail -n 20 "$new/log")"
    rm -rf "$new"
    die "Maven could not fetch Kafka"
  fi
  rm "$new/log"
  chmod 755 "$new"
  mv -T "$new" "$lib" 2>/dev/null || rm -rf "$new" # somebody else was first
}

kafka_pid() { cat "$home/pid" 2>/dev/null || true; }
is_running() { runs "$(kafka_pid)" "$home/server.properties"; }

# answers: whether the broker answers a request (ApiVersions, version 0) with error code 0.
answers() {
  local reply
  reply=$(
    exec 3<>"/dev/tcp/127.0.0.1/$(<"$port_file")" || exit 1
    printf '\0\0\0\12\0\22\0\0\0\0\0\1\377\377' >&3
    timeout 2 head -c 10 <&3 | od -An -v -tx1 | tr -d ' \n'
  ) 2>/dev/null
  [[ $reply == ????????000000010000 ]]
}

is_ready() { grep -q 'Kafka Server started' "$home/log" && answers; }
is_ready_or_dead() { ! is_running || is_ready; }

write_settings() {
  local port controller
  port=$(kept_port "$port_file")
  controller=$(kept_port "$dir/kafka.controller.port")
  cat infra/kafka/server.properties - >"$home/server.properties" <<PROPERTIES

listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.quorum.voters=1@127.0.0.1:$controller
log.dirs=$home/data
PROPERTIES
}

# format: gives an empty data folder its cluster id; done when meta.properties is there.
format() {
  local id
  id=$(head -c 16 /dev/urandom | base64 | tr '+/' 'AB' | cut -c 1-22)
  "$java" -XX:TieredStopAtLevel=1 -cp "$lib/*" kafka.tools.StorageTool format \
    -t "$id" -c "$home/server.properties" >"$home/format.log" 2>&1 ||
    die "Kafka's data folder could not be made:" "$(tail -n 20 "$home/format.log")"
}

start() {
  if is_running; then
    wait_until 60 is_ready_or_dead || die "Kafka does not answer; see $home/log"
    if is_running; then return; fi
  fi
  need_java
  need_jars
  mkdir -p "$home"
  for _ in 1 2 3; do
    write_settings
    if [[ ! -e $home/data/meta.properties ]]; then format; fi
    : >"$home/log"
    # Its collections stop a broker for a third of the time that those of G1 do on a heap so small.
    setsid "$java" -Xmx512m -Xms512m -XX:+UseParallelGC -Dorg.slf4j.simpleLogger.showDateTime=true \
      -Dorg.slf4j.simpleLogger.dateTimeFormat='yyyy-MM-dd HH:mm:ss.SSS' \
      -cp "$lib/*" kafka.Kafka "$home/server.properties" >"$home/log" 2>&1 </dev/null &
    echo $! >"$home/pid"
    disown
    wait_until 90 is_ready_or_dead || die "Kafka did not answer within 90 s; see $home/log"
    if is_running; then
      say "Kafka runs on 127.0.0.1:$(<"$port_file")"
      return
    fi
    grep -q 'Address already in use' "$home/log" || break
  done
  die "Kafka did not start; the end of $home/log:" "$(tail -n 20 "$home/log")"
}

stop() {
  local pid
  pid=$(kafka_pid)
  if ! is_running; then return; fi
  kill "$pid"
  is_gone() { ! is_running; }
  wait_until 20 is_gone || kill -9 "$pid"
}

case $command in
  start) start ;;
  stop) stop ;;
  brokers)
    [[ -s $port_file ]] || die "there is no Kafka in $dir: start it first"
    echo "127.0.0.1:$(<"$port_file")"
    ;;
  wipe) stop && rm -rf "$home" ;;
  *) die "unknown command: $command" ;;
esac
