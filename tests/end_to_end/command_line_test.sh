#!/usr/bin/env bash
# Exit statuses and messages of the command line: bad input gives one line on standard error, status 2, and writes
# nothing.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/common.sh"

works 'usage: bitloop' --help
for verb in search infer measure area train eval info replay serve devices check; do works "  bitloop $verb " "$verb" --help; done
works 'fingerprint' info
works '"methods"' info --format json
works 'ddpg  *deep deterministic policy gradient' info
works 'conv1' measure --model lenet --policy w4a8
works '"cycles"' measure --model lenet --policy w8a8 --format json
works '"network"' measure --layer 'conv in=64x8x8 out=64 kernel=3 stride=1 pad=1' --policy w2a2 --format json
works 'layer,cycles' measure --model lenet --format csv
works '16 images' measure --model lenet --policy w4a4 --images-per-job 16

# What hardware takes in a chip, by the model.
works 'dot_product_unit  *136' area
works 'Zynq-7020 (XC7Z020)  .*fits' area --hardware zynq7020 --chip zynq7020
works '"share"' area --hardware p=4,f=8,activation_rows=1024 --format json
works '^block,instances,LUT,FF,DSP,BRAM,levels' area --hardware tiny --format csv
refused "chip 'zynq9000' is unknown: --chip takes one of zynq7010, " area --chip zynq9000
refused 'p=3 is not a power of two from 2 to 32: the nearest is 4' area --hardware p=3
refused "hardware configuration 'huge' is unknown" area --hardware huge
PATH=$work "$bitloop" area --synthesize > out 2> err
[ $? -eq 1 ] && grep -q '^bitloop: error: python3 is not found' err || fail "without Python: $(cat err)"

# What was measured is remembered, and says the same as a run.
works '"remembered": 5' measure --model lenet --policy w8a8 --format json && grep -v '"measured"\|"remembered"' out > remembered
works '"measured": 5' measure --model lenet --policy w8a8 --fresh --format json && grep -v '"measured"\|"remembered"' out > fresh
cmp -s remembered fresh || fail "a remembered measurement differs from a fresh one"
echo 'no database' > cache/bitloop/cycles.sqlite
works '5 measured, 0 remembered' measure --model lenet --policy w8a8
[ "$(wc -l < err)" -eq 1 ] && grep -q '^bitloop: warning: .*set-aside-1' err || fail "a damaged store is not told: $(cat err)"
grep -q 'no database' cache/bitloop/cycles.sqlite.set-aside-1 || fail "a damaged store is not kept"
works '0 measured, 5 remembered' measure --model lenet --policy w8a8

# What a user tries first.
works 'usage: bitloop' -h
for verb in search infer measure area train eval export info replay serve devices check; do works "  bitloop $verb " "$verb" -h; done
refused 'did you mean --model lenet' measure lenet
refused 'did you mean --run runs/demo' infer runs/demo
refused "'now' stands without" info now
refused "'extra' stands without an option's name (" measure --model lenet extra
refused 'nowhere holds no run' export --run nowhere
refused 'torch.onnx.export' measure --model net.pt
printf 'PK\003\004' > torch.pt
refused "torch.pt looks like PyTorch's" eval --model lenet --checkpoint torch.pt
echo 'nothing' > other.pt
refused 'other.pt is no float-checkpoint' eval --model lenet --checkpoint other.pt

refused 'verb'
refused "unknown verb 'fly'" fly
refused 'model' measure
refused 'vgg' measure --model vgg
refused 'widths' measure --model lenet --policy w3a3
refused 'no-such' measure --model lenet --policy no-such.json
refused 'huge' measure --model lenet --hardware huge
refused 'latency' measure --model lenet --memory latency=x
refused 'format' measure --model lenet --format xml
refused 'in=' measure --layer conv

row() { echo "{\"name\":\"$1\",\"weight_bits\":$2,\"input_bits\":$3}"; }
echo "{\"version\":1,\"network\":\"lenet\",\"layers\":[$(row conv1 8 8)]}" > missing.json
refused 'missing' measure --model lenet --policy missing.json
echo "{\"version\":1,\"network\":\"lenet\",\"layers\":[$(row conv1 3 8),$(row conv2 8 8),$(row fc1 8 8),$(row fc2 8 8),$(row fc3 8 8)]}" > width.json
refused 'conv1' measure --model lenet --policy width.json
echo "{\"version\":1,\"network\":\"lenet\",\"layers\":[$(row conv1 8 4),$(row conv2 8 8),$(row fc1 8 8),$(row fc2 8 8),$(row fc3 8 8)]}" > image.json
refused 'conv1' measure --model lenet --policy image.json
echo '{"version":1,' > torn.json
refused 'torn.json' measure --model lenet --policy torn.json

refused '--out' search
refused '--out' search --out ''
refused 'vgg' search --out run --model vgg
refused 'cifar' search --out run --data cifar
refused "method 'magic'" search --out run --method magic
refused 'lowest reachable cost ratio' search --out run --budget 0.001
refused 'budget' search --out run --budget 7
refused 'budget' search --out run --budget nan
refused 'episodes' search --out run --episodes x
refused 'episodes' search --out run --episodes 0
refused 'pinned' search --out run --pin conv9
refused 'comma' search --out run --pin first,
refused 'objective' search --out run --objective fame
refused 'device' search --out run --device tcp://nowhere:1
refused 'format' search --out run --format xml
refused 'no such\|not in\|neither\|mnist:' search --out run --data mnist:/nonexistent

# Data files that are cut, or say that they are something else.
mkdir data
pixels() { head -c "$1" /dev/zero; }
printf '\0\0\10\3\0\0\0\2\0\0\0\34\0\0\0\34' > data/train-images-idx3-ubyte && pixels 784 >> data/train-images-idx3-ubyte
printf '\0\0\10\1\0\0\0\2\1\2' > data/train-labels-idx1-ubyte
printf '\0\0\10\3\0\0\0\1\0\0\0\34\0\0\0\34' > data/t10k-images-idx3-ubyte && pixels 784 >> data/t10k-images-idx3-ubyte
printf '\0\0\10\1\0\0\0\1\1' > data/t10k-labels-idx1-ubyte
refused 'train-images' search --out run --data "mnist:$work/data"
refused "$work/data/train-images" search --out run --data mnist:data
cp data/train-labels-idx1-ubyte data/train-images-idx3-ubyte
refused 'train-images' search --out run --data "mnist:$work/data"

mkdir held && echo x > held/config.toml
refused 'already holds a run' search --out held
refused 'config.toml' search --out held --resume
mkdir other && echo x > other/notes.txt
refused 'other files' search --out other
refused 'holds no run' infer --run nothing
refused 'not finished\|config.toml' infer --run held
refused 'holds no run' eval --run nothing
refused '--policy' eval --run nothing --policy w4a4
refused 'folder' train --out nothing/lenet.pt

"$bitloop" info > /dev/full 2> err
[ $? -eq 1 ] || fail "a full standard output is no failure"

conclude
