# What the scripts of this folder share; sourced with their own arguments. usage: NAME_test.sh BITLOOP FOLDER
# Works in FOLDER, emptied first, with caches of its own. What a command prints is left in `out` and `err`.
set -u
bitloop=$1
work=$2
rm -rf "$work" && mkdir -p "$work" && cd "$work" || exit 1
export XDG_CACHE_HOME=$work/cache
failures=0
running=()

finish() {
  for pid in "${running[@]}"; do kill -9 "$pid" 2> /dev/null; done
  wait 2> /dev/null
}
trap finish EXIT

fail() {
  echo "FAILED: $1"
  failures=$((failures + 1))
}

# The last line of a script.
conclude() {
  [ $failures -eq 0 ] && echo "all passed"
  exit $((failures > 0))
}

same() { cmp -s "$1" "$2" || fail "$1 and $2 differ: $(diff "$1" "$2" | head -5)"; }

# value KEY [FILE]: of a JSON output's first such key.
value() { grep -m 1 "\"$1\":" "${2:-out}" | tr -d ' ,"' | cut -d: -f2; }

# works TEXT ARGUMENTS...: status 0, TEXT on standard output ('': anything).
works() {
  local text=$1
  shift
  timeout 600 "$bitloop" "$@" > out 2> err || fail "status $?: bitloop $*: $(cat err)"
  [ -z "$text" ] || grep -q -- "$text" out || fail "no '$text' in the output of bitloop $*: $(cat out)"
}

# ends STATUS TEXT ARGUMENTS...: with one error line that holds TEXT.
ends() {
  local expected=$1 text=$2
  shift 2
  timeout "${patience:-600}" "$bitloop" "$@" > out 2> err
  local status=$?
  [ $status -eq "$expected" ] || fail "status $status instead of $expected: bitloop $*: $(cat err)"
  grep -vE '^[^:]+: +[0-9]+ %|^bitloop: (note|hardware)' err > said  # without progress, notes and what is built
  [ "$(wc -l < said)" -eq 1 ] || fail "not one line: bitloop $*: $(cat err)"
  grep -q '^bitloop: error: ' said || fail "no 'bitloop: error: ': bitloop $*: $(cat err)"
  grep -qi -- "$text" said || fail "no '$text' in: $(cat err)"
}

# refused TEXT ARGUMENTS...: bad input; nothing on standard output, and no run folder is made.
refused() {
  ends 2 "$@"
  [ -s out ] && fail "wrote to standard output: bitloop $*"
  [ -e run ] && fail "made a folder: bitloop $*" && rm -rf run
  return 0
}

# serve NAME [OPTIONS...]: a server on a free port, which is left in $port, its process in $server.
serve() {
  local name=$1
  shift
  "$bitloop" serve --listen 127.0.0.1:0 --format json "$@" > "$name.ready" 2> "$name.log" &
  server=$!
  running+=("$server")
  for _ in $(seq 300); do
    port=$(sed -n 's/.*"port": *\([0-9]*\).*/\1/p' "$name.ready")
    [ -n "$port" ] && return
    sleep 0.1
  done
  echo "FAILED: server $name did not start: $(cat "$name.log")"
  exit 1
}
