#!/usr/bin/env bash
# Devices behind sockets, as a user has them: what is measured and computed there is what the simulator in this process
# gives; a board that dies costs nothing; strangers, other hardware and empty ports cost one line.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/common.sh"
patience=30  # seconds

serve first --hardware tiny
first=tcp://127.0.0.1:$port
first_server=$server
serve second --hardware tiny
second=tcp://127.0.0.1:$port
serve default
default=tcp://127.0.0.1:$port
serve counting --hardware tiny --timing-only
counting=tcp://127.0.0.1:$port
local_tiny="--device sim --hardware tiny"

# What it is, and that it computes as the simulator in this process does.
works '' devices "$first" --format json
[ "$(grep -c '"alive": true' out)" -eq 1 ] || fail "not alive: $(cat out)"
cases=$(value cases)
[ "$cases" -gt 40 ] && [ "$(value passed)" -eq "$cases" ] || fail "the self-test failed: $(cat out)"
works '' devices sim "$default" --compare --format csv
[ "$(grep -c ',yes,' out)" -eq "$cases" ] || fail "the devices differ: $(cat out)"
[ "$(grep -c ',1.000,$' out)" -eq "$cases" ] || fail "the cycles differ: $(cat out)"
works '' devices "$counting"
grep -q 'counters only' out || fail "a device that only counts is not told: $(cat out)"

# Every counter of every layer. What the simulator here measured is remembered for the one behind the socket.
works '' measure --model lenet --policy w4a2 $local_tiny --format json && grep -v '"measured"\|"remembered"' out > here
works '' measure --model lenet --policy w4a2 --device "$first" --format json
grep -q '"measured": 0' out || fail "the store does not serve both: $(grep measured out)"
for device in "$first" "$counting"; do
  works '' measure --model lenet --policy w4a2 --device "$device" --fresh --format json
  grep -v '"measured"\|"remembered"' out > there
  same here there
done

# A search by socket is the search in this process; its result runs there without a mismatch.
search="--budget 0.5 --episodes 2 --lines none --float-epochs 1 --retrain-images 256 --final-epochs 0 --seed 3"
works '' search $search $local_tiny --fresh --out here_run
works '' search $search --device "$first,$counting" --fresh --out there_run
same here_run/policy.json there_run/policy.json
same here_run/quantized.bin there_run/quantized.bin
for run in here_run there_run; do cut -d, -f1-7,9 $run/episodes.csv > $run.rows; done
same here_run.rows there_run.rows
works '' infer --run there_run --device "$first,$second" --images 20 --layers 3 --format json
grep -v 'seconds' out > there.json
grep -q '"mismatches": 0' out || fail "the device differs from the integer reference: $(cat out)"
works '' infer --run here_run --images 20 --layers 3 --format json
grep -v 'seconds' out > here.json
same here.json there.json
ends 2 'only counts' infer --run there_run --device "$counting" --images 1
ends 2 'leave it out' measure --model lenet --device "$first" --hardware tiny

# The step for a project's CI.
works '' check --baseline cycles.json --update --model lenet --policy w8a8,w4a4 --hardware tiny
works '' check --baseline cycles.json --update --layer 'linear in=64 out=10' --policy w2a2 --hardware tiny
grep -q '3 entries, 1 added' out || fail "an entry was not added: $(cat out)"
tiny=f=4,p=2,activation_rows=1024,weight_rows=512,parameter_slots=32,staging_words=512  # in words that are not its name
works '' check --baseline cycles.json --update --layer 'linear in=64 out=10' --policy w2a2 --hardware $tiny
grep -q '3 entries, 0 added, 0 changed' out || fail "the same hardware in other words is another one: $(cat out)"
works '' check --baseline cycles.json
works '' check --baseline cycles.json --device "$second" --fresh
cp cycles.json before.json
sed -i '0,/"cycles": [0-9]*/s//"cycles": 100/' cycles.json
ends 1 '1 of .* figures differ .*1 slower' check --baseline cycles.json
grep -q 'lenet w8a8 on tiny.*conv1.* 100 .*slower' out || fail "no table of what differs: $(cat out)"
works '' check --baseline cycles.json --update
grep -q '1 changed' out || fail "the change was not accepted: $(cat out)"
same cycles.json before.json
sed -i 's/"total": \([0-9]*\)/"total": 1\1/' cycles.json
ends 1 'faster: --update accepts it' check --baseline cycles.json
ends 2 'was measured with hardware tiny' check --baseline before.json --device "$default"
ends 2 'cannot be read' check --baseline nowhere.json
head -c 300 before.json > torn.json
ends 2 'torn.json' check --baseline torn.json
ends 2 'torn.json' check --baseline torn.json --update
[ "$(wc -c < torn.json)" -eq 300 ] || fail "a file that is no baseline was overwritten"

# Another device than the one that was asked for, and devices that do not belong together.
ends 1 'fingerprint' measure --model lenet --device "$first?fingerprint=1234"
works '' infer --run here_run --device "$second?fingerprint=$(sed -n 's/.*"fingerprint":"\([0-9a-f]*\)".*/\1/p' second.ready)" --images 1
ends 1 'fingerprint' measure --model lenet --all-pairs --fresh --device "$first,$default"
cp -r here_run unfinished && rm unfinished/summary.json
ends 2 'fingerprint' search --resume --out unfinished --device "$default"
works '' search --resume --out unfinished --device "$second"
same here_run/policy.json unfinished/policy.json

# Nobody there, somebody else there, and a line that leads nowhere.
ends 1 '127.0.0.1:1' measure --model lenet --fresh --device 'tcp://127.0.0.1:1'
ends 2 'insecure' measure --model lenet --device 'tcp://192.0.2.1:1234'
python3 -c '
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *arguments): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()' > stranger.ready &
running+=($!)
while [ ! -s stranger.ready ]; do sleep 0.1; done
ends 1 "127.0.0.1:$(cat stranger.ready)" measure --model lenet --fresh --device "tcp://127.0.0.1:$(cat stranger.ready)?connect=1&timeout=1"
ends 1 'devices failed' devices "tcp://127.0.0.1:$(cat stranger.ready)?connect=1&timeout=1"
python3 -c '
import socket
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    server.accept()[0].close()' > closing.ready &
running+=($!)
while [ ! -s closing.ready ]; do sleep 0.1; done
ends 1 "127.0.0.1:$(cat closing.ready)" measure --model lenet --fresh --device "tcp://127.0.0.1:$(cat closing.ready)?connect=1&timeout=1"

# A board that is killed in the middle of the work costs nothing but a note.
pairs="measure --model lenet --all-pairs --fresh --format json"
works '' $pairs $local_tiny && cp out here.json
clients() { grep -c 'has the device' "$1.log"; }
before=$(clients second)
"$bitloop" $pairs --device "$first?connect=1&timeout=1,$second" > there.json 2> err &
pool=$!
running+=($pool)
for _ in $(seq 500); do
  [ "$(clients second)" -gt "$before" ] && break
  sleep 0.01
done
kill -9 "$first_server"
wait $pool || fail "a pool of which one died fails: $(cat err)"
same here.json there.json
grep -q "note: set aside .*$first" err || fail "nobody told of the board that died: $(cat err)"

conclude
