#!/usr/bin/env bash
# A table made twice, once killed in the middle, is the same; methods compared on it and on the network it came from.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/common.sh"

space="--model lenet --float-epochs 1 --group layer --widths 2,8 --reward-images 400"

works '32 policies' tabulate $space --test-images 500 --workers 2 --out whole.json
rm -f cache/bitloop/outcomes.sqlite*
"$bitloop" tabulate $space --test-images 500 --workers 1 --out killed.json > /dev/null 2>&1 &
while kill -0 $! 2> /dev/null && [ "$(stat -c %s cache/bitloop/outcomes.sqlite-wal 2> /dev/null || echo 0)" -lt 40000 ]; do
  sleep 0.02
done
kill -9 $! 2> /dev/null
wait $! 2> /dev/null
[ -e killed.json ] && fail "the table was done before it was killed"
works '32 policies' tabulate $space --test-images 500 --workers 1 --out killed.json
# They name their own file and threads.
sed -i 's/"origin": ".*"/"origin": "here"/' whole.json killed.json
same whole.json killed.json

# The same comparison on one and on four threads.
comparison="--methods ours,solver,uniform,random,ddpg --budgets 0.5,0.5bytes --evaluations 12 --seeds 4 --format json"
works '"p_holm"' compare --table whole.json $comparison --workers 1 --curves curves.csv
grep -v overhead out > one
works '"p_holm"' compare --table whole.json $comparison --workers 4
grep -v overhead out > four
same one four
grep -q '^0.5bytes,random,4,front,' curves.csv || fail "no fronts in: $(head -3 curves.csv)"

# On the network itself: the second time everything is remembered.
network="$space --methods ours,random --budgets 0.5 --evaluations 6 --seeds 1"
works 'ours' compare $network
cut -d' ' -f1-12 out > first
works 'ours' compare $network
cut -d' ' -f1-12 out | diff -q first - > /dev/null || fail "a repeated comparison differs: $(cat out)"

# One that trains the network's weights: the same whatever runs beside it.
trained="$space --retrain-images 500 --methods dnas,dnas:soft-barrier --budgets 0.5 --evaluations 6 --seeds 2 --format json"
works 'dnas:soft-barrier' compare $trained --workers 1
grep -v overhead out > one
works 'dnas:soft-barrier' compare $trained --workers 4
grep -v overhead out > four
same one four

printf 'a,b,accuracy,bytes\n4,4,0.5,10\n8,4,0.7,20\n8,8,0.8,30\n' > theirs.csv
works '70.00' compare --table theirs.csv --methods uniform,random --budgets 20kB,0.7bytes --evaluations 4 --seeds 3
grep -q "lacks 1 of 4 policies, '4 8' first" err || fail "nothing about the missing policy: $(cat err)"
printf 'a,accuracy,bytes\n4,0.5,10\n8,0.7,30\n' > theirs.csv
refused 'cost ratio is 0.334 of bytes (10)' compare --table theirs.csv --budgets 0.2bytes
printf 'a,accuracy,energy\n4,0.5,1e-6\n8,0.7,3e-6\n' > joules.csv
works '50.00' compare --table joules.csv --methods uniform,random --budgets 0.5energy --evaluations 1 --seeds 3
refused 'is no budget' compare --table theirs.csv --budgets 0.2parsecs
refused 'unknown method' compare --table theirs.csv --methods best
refused 'dnas looks at the weights of a network, and a table has none' compare --table theirs.csv --methods random,dnas
refused 'name --model and --data' compare --table theirs.csv --methods dnas:soft-barrier
refused 'adrl:distance looks at the weights' compare --table theirs.csv --methods adrl:distance
refused 'cannot be read' compare --table nowhere.json
printf 'a,bytes\n1,2\n' > none.csv
refused "named 'accuracy'" compare --table none.csv
refused 'at most 1e+06 are tabulated' tabulate --model resnet20 --data noise --out big.json
conclude
