#!/usr/bin/env bash
# Hardware as a choice: sweeps measure what `measure` does, and say what other RTL changes; a search over several
# configurations gives runs on their own hardware, and goes on after a kill.
# shellcheck source-path=SCRIPTDIR
rtl=$(cd "$(dirname "$0")/../../rtl" && pwd)
source "$(dirname "$0")/common.sh"

works 'tiny' sweep --model lenet --policy w4a4 --hardware 'default,tiny' --memory 'ddr8;latency=200' --format csv
cp out sweep.csv
for memory in ddr8 latency=200; do
  for hardware in default tiny; do
    works '' measure --model lenet --policy w4a4 --hardware $hardware --memory $memory --format json
    grep -q "^$hardware,\"*$memory\"*,w4a4,$(value cycles)," sweep.csv ||
      fail "$hardware behind $memory takes $(value cycles) cycles, not what the sweep says: $(cat sweep.csv)"
  done
done

# A copy whose bus reader keeps less under way: slower in each layer, and said so.
cp -r "$rtl" slow && sed -i 's/Outstanding *= 8/Outstanding = 2/' slow/memory/axi_reader.sv
works 'tiny@slow  *ddr8  *w4a4  *fc1 .*+' sweep --model lenet --policy w4a4 --hardware tiny --rtl slow --unchecked
echo module >> slow/common/fifo.sv
ends 1 'tiny@slow cannot be built: %Error: slow/common/fifo.sv' sweep --model lenet --hardware tiny --rtl slow

refused 'p=3 is not a power of two' sweep --model lenet --hardware p=3
refused '625 points, more than 500' sweep --model lenet \
  --hardware 'p=1,2,3,4,5 f=1,2,3,4,5 weight_rows=1,2,3,4,5 staging_words=1,2,3,4,5'
refused 'there is no RTL in nowhere' sweep --model lenet --rtl nowhere
refused "chip 'spartan' is unknown" sweep --model lenet --chip spartan
refused 'no configuration of the space fits zynq7010: the smallest is zynq7020' sweep --model lenet \
  --hardware default,zynq7020 --chip zynq7010
refused 'no configuration of the space fits zynq7010' search --hardware-space default --chip zynq7010 --out run
refused 'different clocks' search --hardware-space 'default;tiny' --out run
refused 'leave --hardware out' search --hardware-space default --hardware tiny --out run
refused '--chip goes with --hardware-space' search --chip zynq7020 --out run
refused "'in-turn'" search --lines in-turn --out run

# Another configuration wins where memory is short.
options=(--hardware-space 'default;staging_words=512' --objective pareto --budget 1 --evaluations 5 --float-epochs 1
  --retrain-epochs 0 --final-epochs 0 --sensitivities none --seed 3 --chip zynq7020)
works 'The front:' search "${options[@]}" --out whole
for line in ours uniform default-hardware in-turn; do
  grep -q "\"line\": \"$line\"" whole/summary.json || fail "the summary lacks $line"
done
head -1 whole/front.csv | grep -q '^accuracy,cycles,milliseconds,joules,lut,ff,dsp,bram,share,hardware,policy$' ||
  fail "no front: $(head -3 whole/front.csv)"
for point in whole/points/*; do
  works '"mismatches": 0' infer --run "$point" --images 5 --layers 1 --format json
  [ "$(value cycles_per_image)" = "$(value cycles "$point/summary.json")" ] || fail "$point: $(cat out)"
  works '' eval --run "$point" --images 5 --format json
  [ "$(value cycles)" = "$(value cycles "$point/summary.json")" ] || fail "eval of $point: $(cat out)"
done

"$bitloop" search "${options[@]}" --fresh --out killed > /dev/null 2>&1 &
while kill -0 $! 2> /dev/null && [ "$(cat killed/episodes.csv 2> /dev/null | wc -l)" -lt 2 ]; do sleep 0.02; done
kill -9 $! 2> /dev/null || true
wait $! 2> /dev/null || true
works '' search --resume --out killed
same whole/policy.json killed/policy.json
same whole/front.csv killed/front.csv

conclude
