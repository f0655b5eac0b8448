#!/usr/bin/env bash
# A small search, killed in the middle and gone on with, gives what an uninterrupted one gives; its policy runs on the
# device without a mismatch.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/common.sh"

options="--budget 0.5 --episodes 6 --float-epochs 1 --retrain-images 512 --final-epochs 1 --seed 3"

works '' search $options --workers 2 --out whole --format csv && cp out whole.csv
evaluated=$(awk -F, 'NR > 1 && $9 == 0' whole/episodes.csv | wc -l)
[ "$evaluated" -eq 6 ] || fail "$evaluated evaluations instead of 6"
awk -F, 'NR > 1 && $6 > 0.5 { exit 1 }' whole/episodes.csv || fail "an episode is over the budget"

# Killed at several points, each time gone on with; the last one goes to the end. Another number of workers.
"$bitloop" search $options --workers 1 --out killed > /dev/null 2>&1 &
for rows in 1 3 5; do
  while kill -0 $! 2> /dev/null && [ "$(cat killed/episodes.csv 2> /dev/null | wc -l)" -lt "$rows" ]; do sleep 0.02; done
  kill -9 $! 2> /dev/null || true
  wait $! 2> /dev/null || true
  printf '9,torn ro' >> killed/episodes.csv
  "$bitloop" search --resume --workers 1 --out killed > /dev/null 2>&1 &
done
wait $! || fail "the resumed search failed"
works '' search --resume --out killed --format csv && cp out killed.csv

same whole.csv killed.csv
same whole/policy.json killed/policy.json
same whole/quantized.bin killed/quantized.bin
for file in episodes lines/random lines/uniform; do
  cut -d, -f1-7,9 whole/$file.csv > whole.rows
  cut -d, -f1-7,9 killed/$file.csv > killed.rows
  same whole.rows killed.rows
done

works '"mismatches": 0' infer --run killed --images 20 --layers 5 --format json
works '"mismatches": 0' infer --run killed --images 10 --layers 1 --images-per-job 4 --format json
grep -q '"layers_compared": 7' out || fail "not every tensor was compared"

# What eval says of a run is what its summary says.
works '"accuracy"' eval --run whole --format json
[ "$(value accuracy)" = "$(value test_accuracy whole/summary.json)" ] ||
  fail "eval --run differs from the summary: $(cat out)"

[ "$(value cycles)" = "$(value cycles whole/summary.json)" ] || fail "eval --run has other cycles: $(cat out)"
refused 'holds no run to go on with' search --resume --out nowhere

# A run's integers are bound to the images that they were trained with.
{ mkdir few && cp -r whole moved; } || fail "no copies of the run"
{ printf '\0\0\10\3\0\0\0\5\0\0\0\34\0\0\0\34'; head -c 3920 /dev/zero; } > few/train-images-idx3-ubyte
printf '\0\0\10\1\0\0\0\5\1\2\3\4\5' > few/train-labels-idx1-ubyte
{ printf '\0\0\10\3\0\0\0\1\0\0\0\34\0\0\0\34'; head -c 784 /dev/zero; } > few/t10k-images-idx3-ubyte
printf '\0\0\10\1\0\0\0\1\1' > few/t10k-labels-idx1-ubyte
sed -i "s|^data = .*|data = 'mnist:$work/few'|" moved/config.toml
refused 'split hash' infer --run moved --images 1

# Where any accuracy suffices, the cheapest policy that was evaluated is the best one.
works '' search $options --acc-limit 0.001 --lines none --out cheap
lowest=$(awk -F, 'NR > 1 { print $5 }' cheap/episodes.csv | sort -n | head -1)
grep -A 3 '"best"' cheap/summary.json | grep -q "\"cycles\": $lowest," ||
  fail "the best policy takes not $lowest cycles"
conclude
