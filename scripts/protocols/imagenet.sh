# imagenet: cycles of ResNet-50 and MobileNet-V2 at 224 pixels, also of CMC 2024's policy (seconds)
# shellcheck shell=bash disable=SC2154
work=$folder/imagenet
mkdir -p "$work"
# CMC 2024, Table 3, on the right: [input, weight, activation] bits of MobileNet-V2's 53 layers. The policy on the left
# has 68 entries for 53 layers and belongs to no MobileNet-V2.
python3 - "$work/cmc2024.policy" << 'END'
import re, sys

table = """
[8,8,8] [8,8,8] [8,8,4] [4,4,4] [4,4,4] [4,4,8] [8,8,4] [4,4,4] [4,4,4] [4,4,8] [8,8,4] [4,4,8] [8,8,8] [8,8,8] [8,8,2]
[2,1,8] [8,8,4] [4,4,8] [8,8,8] [8,8,4] [4,4,8] [8,8,8] [8,8,4] [4,4,2] [2,1,8] [8,8,4] [4,4,4] [4,4,8] [8,8,8] [8,8,2]
[2,1,8] [8,8,4] [4,4,4] [4,4,8] [8,8,8] [8,8,2] [2,1,4] [4,4,8] [8,8,4] [4,4,8] [8,8,2] [2,1,4] [4,4,4] [4,4,8] [8,8,4]
[4,4,4] [4,4,4] [4,4,2] [2,1,8] [8,8,4] [4,4,2] [2,1,8] [8,8,8]
"""
layers = [tuple(map(int, numbers)) for numbers in re.findall(r"\[(\d),(\d),(\d)\]", table)]
assert len(layers) == 53
assert all(above[2] == below[0] for above, below in zip(layers, layers[1:]))  # what a layer writes, the next one reads
with open(sys.argv[1], "w") as file:
    file.write(" ".join(f"{weight}:{read}" for read, weight, _ in layers))
END
for model in mobilenet-v2 resnet50; do
  for policy in w8a8 w4a4 w1a2; do
    once "$work/$model-$policy.json" "$bitloop" measure --model "$model" --input 3x224x224 --policy "$policy" \
      --pin first,last --format json
  done
done
once "$work/mobilenet-v2-cmc2024.json" "$bitloop" measure --model mobilenet-v2 --input 3x224x224 \
  --policy "$(cat "$work/cmc2024.policy")" --format json
page measured "$work"
