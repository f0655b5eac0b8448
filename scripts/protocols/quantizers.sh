# quantizers MODEL DATA OPTIONS...: quantizers crossed with policies, as bitloop eval's options say (minutes)
# shellcheck shell=bash disable=SC2154
takes 3 "$@"
model=$1 data=$2
shift 2
work=$folder/quantizers-$(basename "$model" .onnx)
mixed=$("$bitloop" measure --model "$model" --policy w4a4 --pin first,last --format json | python3 -c '
import json, sys

# Every other layer between the first and the last has weights of 2 bits.
layers = json.load(sys.stdin)["policy_key"].split()
print(*["2:4" if i % 2 == 1 and layer == "4:4" else layer for i, layer in enumerate(layers)])')
for quantizer in lsq pact dorefa symmetric k-means admm; do
  for policy in w8a8 w4a4 mixed w2a2 w1a2; do
    text=$policy
    [ "$policy" = mixed ] && text=$mixed
    once "$work/${quantizer}_$policy.json" "$bitloop" eval --model "$model" --data "$data" --quantizer "$quantizer" \
      --policy "$text" --pin first,last "$@" --format json
  done
done
once "$work/none_float.json" "$bitloop" eval --model "$model" --data "$data" --policy float "$@" --format json
page quantizers "$work"
