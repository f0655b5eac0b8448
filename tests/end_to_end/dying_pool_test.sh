#!/usr/bin/env bash
# A pool of 4 simulated boards behind sockets, of which one is killed (SIGKILL) every few seconds and started again:
# every job is done once and gives what one device gives.
#   BITLOOP_POOL_MINUTES=10 tests/end_to_end/dying_pool_test.sh build/release
set -euo pipefail

programs=$(cd "$1" && pwd)
minutes=${BITLOOP_POOL_MINUTES:-0.4}
folder=$(mktemp -d)
servers=()
ports=()

finish() {
  kill "${killer:-}" 2> /dev/null || true
  for pid in "$folder"/*.pid; do kill -9 "$(cat "$pid")" 2> /dev/null || true; done
  wait 2> /dev/null || true
  rm -rf "$folder"
}
trap finish EXIT

# serve INDEX PORT
serve() {
  "$programs/bitloop" serve --listen "127.0.0.1:$2" --device sim --hardware tiny --format json \
    > "$folder/$1.ready" 2>> "$folder/$1.log" &
  echo $! > "$folder/$1.pid"
}

port_of() {
  for _ in $(seq 200); do
    port=$(sed -n 's/.*"port": *\([0-9]*\).*/\1/p' "$folder/$1.ready")
    [ -z "$port" ] || { echo "$port"; return; }
    sleep 0.05
  done
  echo "dying_pool_test: server $1 did not start" >&2
  exit 1
}

for i in 0 1 2 3; do serve "$i" 0; done
for i in 0 1 2 3; do
  ports+=("$(port_of "$i")")
  servers+=("tcp://127.0.0.1:${ports[$i]}?connect=1&timeout=1")
done

kill_in_turn() {
  for ((turn = 0; ; turn++)); do
    sleep 3
    local i=$((turn % 4))
    kill -9 "$(cat "$folder/$i.pid")"
    echo "killed board $i" >> "$folder/kills"
    sleep 0.5
    serve "$i" "${ports[$i]}"
  done
}
kill_in_turn 2> /dev/null &
killer=$!

"$programs/bench_remote_jobs" "$(IFS=,; echo "${servers[*]}")" "minutes=$minutes"
kills=$(wc -l < "$folder/kills")
echo "$kills boards were killed meanwhile"
[ "$kills" -ge 3 ]
