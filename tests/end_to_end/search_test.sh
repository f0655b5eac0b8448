#!/usr/bin/env bash
# A small search, killed in the middle and gone on with, gives what an uninterrupted one gives; its policy runs on the
# device without a mismatch.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/common.sh"

options="--budget 0.5 --evaluations 8 --float-epochs 1 --retrain-images 512 --final-epochs 1 --seed 3"

works '' search $options --workers 2 --out whole --format csv && cp out whole.csv
for file in episodes lines/uniform lines/random lines/greedy lines/solver; do
  awk -F, 'NR > 1 && ($6 > 0.5 || $12 > 8.000001) { exit 1 }' whole/$file.csv ||
    fail "an episode of $file is over the budget or the evaluations: $(cat whole/$file.csv)"
done
[ "$(wc -l < whole/lines/random.csv)" -eq 9 ] || fail "not 8 evaluations: $(cat whole/lines/random.csv)"
[ "$(awk -F, '$1 == "loss" && $4 == 2' whole/sensitivities.csv | wc -l)" -ge 9 ] || fail "no probe of each decision"
for measure in fisher sqnr; do
  [ "$(grep -c "^$measure," whole/sensitivities.csv)" -eq 36 ] || fail "$measure has not 9 decisions of 4 choices"
done
for line in uniform random greedy solver w8a8 w4a4 w2a2 w1a2; do
  grep -q "\"line\": \"$line\"" whole/summary.json || fail "the summary lacks $line"
done

# Killed at several points, each time gone on with; the last one goes to the end. Another number of workers, and no
# outcomes but those of the run.
"$bitloop" search $options --fresh --workers 1 --out killed > /dev/null 2>&1 &
for rows in 1 3 5; do
  while kill -0 $! 2> /dev/null && [ "$(cat killed/episodes.csv 2> /dev/null | wc -l)" -lt "$rows" ]; do sleep 0.02; done
  kill -9 $! 2> /dev/null || true
  wait $! 2> /dev/null || true
  printf '9,torn ro' >> killed/episodes.csv
  "$bitloop" search --resume --fresh --workers 1 --out killed > /dev/null 2>&1 &
done
wait $! || fail "the resumed search failed"
works '' search --resume --out killed --format csv && cp out killed.csv

same whole.csv killed.csv
same whole/policy.json killed/policy.json
same whole/quantized.bin killed/quantized.bin
same whole/sensitivities.csv killed/sensitivities.csv
for file in episodes lines/random lines/uniform lines/greedy lines/solver; do
  cut -d, -f1-7,9- whole/$file.csv > whole.rows
  cut -d, -f1-7,9- killed/$file.csv > killed.rows
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

# A finished run goes on with more evaluations, from where it stood; not with fewer, or another budget.
cp -r whole longer || fail "no copy of the run"
refused '--evaluations differs' search --resume --evaluations 7 --out longer
refused '--budget differs' search --resume --budget 0.4 --out longer
refused '--learning-rate-decay differs' search --resume --learning-rate-decay 0.9 --out longer
refused '--sensitivities differs' search --resume --sensitivities loss --out longer
works 'best' search --resume --evaluations 10 --out longer
[ "$(wc -l < longer/lines/random.csv)" -eq 11 ] || fail "not 10 evaluations: $(cat longer/lines/random.csv)"
head -9 longer/lines/random.csv | cut -d, -f1-7 > longer.rows
cut -d, -f1-7 whole/lines/random.csv > whole.rows
same whole.rows longer.rows

works 'at equal cycles' compare whole longer
refused 'two runs or more' compare whole

# A run's integers are bound to the images that they were trained with; the export of them needs none.
{ mkdir few && cp -r whole moved; } || fail "no copies of the run"
{ printf '\0\0\10\3\0\0\0\5\0\0\0\34\0\0\0\34'; head -c 3920 /dev/zero; } > few/train-images-idx3-ubyte
printf '\0\0\10\1\0\0\0\5\1\2\3\4\5' > few/train-labels-idx1-ubyte
{ printf '\0\0\10\3\0\0\0\1\0\0\0\34\0\0\0\34'; head -c 784 /dev/zero; } > few/t10k-images-idx3-ubyte
printf '\0\0\10\1\0\0\0\1\1' > few/t10k-labels-idx1-ubyte
sed -i "s|^data = .*|data = 'mnist:$work/few'|" moved/config.toml
refused 'split hash' infer --run moved --images 1
rm -r few
works 'bytes' export --run moved --format onnx

# A network from a file goes into the run, which is whole without that file; and the cheapest policy that was
# evaluated is the best one where any accuracy suffices.
cp moved/network.onnx own.onnx
works '' search --model own.onnx --objective cycles --accuracy-floor 0.001 --evaluations 4 --method random \
  --lines none --retrain-epochs 0 --final-epochs 0 --reward-images 400 --out cheap
rm own.onnx
lowest=$(awk -F, 'NR > 1 { print $5 }' cheap/episodes.csv | sort -n | head -1)
grep -A 4 '"best"' cheap/summary.json | grep -q "\"cycles\": $lowest," ||
  fail "the best policy takes not $lowest cycles"
works 'no policy reached the accuracy 1.0000' search --objective cycles --accuracy-floor 1 --evaluations 2 --method random \
  --lines none --retrain-epochs 0 --final-epochs 0 --reward-images 400 --out floor
mv cheap elsewhere
works '"mismatches": 0' infer --run elsewhere --images 2 --layers 1 --format json

refused 'learning-rate-decay 1.2 is out of range' search --learning-rate-decay 1.2 --out run
refused 'accuracy-floor' search --objective cycles --out run
refused 'lowest reachable' search --budget 0.01 --out run
refused 'leave --budget-of out' search --budget 5ms --budget-of energy --out run
refused 'from which ours does not learn' search --acc-limit 0.9 --out run
refused 'from which haq does not learn' search --method haq --acc-limit 0.9 --out run
refused 'not for --objective cycles' search --method adrl --objective cycles --drop 0.1 --out run
refused 'unknown method' search --method magic --out run
refused "'hessian': choose fisher, sqnr, hutchinson or loss" search --sensitivities sqnr,hessian --out run
conclude
