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
same whole/quantized.json killed/quantized.json
for file in episodes lines/random lines/uniform; do
  cut -d, -f1-7,9 whole/$file.csv > whole.rows
  cut -d, -f1-7,9 killed/$file.csv > killed.rows
  same whole.rows killed.rows
done

"$bitloop" infer --run killed --images 20 --layers 5 --format json > infer.json
grep -q '"mismatches": 0' infer.json || { echo "FAILED: the device differs from the integer reference"; exit 1; }
echo "all passed"
