#!/bin/bash
# A small search, killed in the middle and gone on with, gives what an uninterrupted one gives; its policy runs on the
# device without a mismatch. usage: search_test.sh BITLOOP FOLDER
set -eu
bitloop=$1
work=$2
rm -rf "$work" && mkdir -p "$work" && cd "$work"
export XDG_CACHE_HOME=$work/cache
options="--budget 0.5 --episodes 6 --float-epochs 1 --retrain-images 512 --final-epochs 1 --seed 3"

"$bitloop" search $options --workers 2 --out whole --format csv > whole.csv
evaluated=$(awk -F, 'NR > 1 && $9 == 0' whole/episodes.csv | wc -l)
[ "$evaluated" -eq 6 ] || { echo "FAILED: $evaluated evaluations instead of 6"; exit 1; }
awk -F, 'NR > 1 && $6 > 0.5 { exit 1 }' whole/episodes.csv || { echo "FAILED: an episode is over the budget"; exit 1; }

# Killed at several points, each time gone on with; the last one goes to the end. Another number of workers.
"$bitloop" search $options --workers 1 --out killed > /dev/null 2>&1 &
for rows in 1 3 5; do
  while kill -0 $! 2> /dev/null && [ "$(cat killed/episodes.csv 2> /dev/null | wc -l)" -lt "$rows" ]; do sleep 0.02; done
  kill -9 $! 2> /dev/null || true
  wait $! 2> /dev/null || true
  printf '9,torn ro' >> killed/episodes.csv
  "$bitloop" search --resume --workers 1 --out killed > /dev/null 2>&1 &
done
wait $!
"$bitloop" search --resume --out killed --format csv > killed.csv

same() { cmp "$1" "$2" || { echo "FAILED: $1 and $2 differ"; exit 1; }; }
same whole.csv killed.csv
same whole/policy.json killed/policy.json
same whole/quantized.bin killed/quantized.bin
for file in episodes lines/random lines/uniform; do
  cut -d, -f1-7,9 whole/$file.csv > whole.rows
  cut -d, -f1-7,9 killed/$file.csv > killed.rows
  same whole.rows killed.rows
done

"$bitloop" infer --run killed --images 20 --layers 5 --format json > infer.json
grep -q '"mismatches": 0' infer.json || { echo "FAILED: the device differs from the integer reference"; exit 1; }
grep -q '"layers_compared": 7' infer.json || { echo "FAILED: not every tensor was compared"; exit 1; }

# What eval says of a run is what its summary says.
"$bitloop" eval --run whole --format json > eval.json
value() { grep -m 1 "\"$1\":" "$2" | tr -d ' ,' | cut -d: -f2; }
[ "$(value accuracy eval.json)" = "$(value test_accuracy whole/summary.json)" ] ||
  { echo "FAILED: eval --run differs from the summary: $(cat eval.json)"; exit 1; }

# A run's integers are bound to the images that they were trained with.
mkdir few && cp -r whole moved
{ printf '\0\0\10\3\0\0\0\5\0\0\0\34\0\0\0\34'; head -c 3920 /dev/zero; } > few/train-images-idx3-ubyte
printf '\0\0\10\1\0\0\0\5\1\2\3\4\5' > few/train-labels-idx1-ubyte
{ printf '\0\0\10\3\0\0\0\1\0\0\0\34\0\0\0\34'; head -c 784 /dev/zero; } > few/t10k-images-idx3-ubyte
printf '\0\0\10\1\0\0\0\1\1' > few/t10k-labels-idx1-ubyte
sed -i "s|^data = .*|data = 'mnist:$work/few'|" moved/config.toml
status=0
"$bitloop" infer --run moved --images 1 > /dev/null 2> err || status=$?
[ $status -eq 2 ] && grep -q 'split hash' err || { echo "FAILED: other images are not refused: $(cat err)"; exit 1; }

# Where any accuracy suffices, the cheapest policy that was evaluated is the best one.
"$bitloop" search $options --acc-limit 0.001 --lines none --out cheap > /dev/null
lowest=$(awk -F, 'NR > 1 { print $5 }' cheap/episodes.csv | sort -n | head -1)
grep -A 3 '"best"' cheap/summary.json | grep -q "\"cycles\": $lowest," ||
  { echo "FAILED: the best policy takes not $lowest cycles"; exit 1; }
echo "all passed"
