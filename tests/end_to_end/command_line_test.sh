#!/bin/bash
# Exit statuses and messages of the command line: bad input gives one line on standard error, status 2, and writes
# nothing. usage: command_line_test.sh BITLOOP FOLDER
set -u
bitloop=$1
work=$2
rm -rf "$work" && mkdir -p "$work" && cd "$work" || exit 1
export XDG_CACHE_HOME=$work/cache
failures=0

fail() {
  echo "FAILED: $1"
  failures=$((failures + 1))
}

# refused TEXT ARGUMENTS...: status 2, one line that holds TEXT, nothing on standard output, no run folder.
refused() {
  local text=$1
  shift
  "$bitloop" "$@" > out 2> err
  local status=$?
  [ $status -eq 2 ] || fail "status $status instead of 2: bitloop $*"
  [ "$(wc -l < err)" -eq 1 ] || fail "not one line: bitloop $*: $(cat err)"
  grep -q '^bitloop: error: ' err || fail "no 'bitloop: error: ': bitloop $*: $(cat err)"
  grep -qi -- "$text" err || fail "no '$text' in: $(cat err)"
  [ -s out ] && fail "wrote to standard output: bitloop $*"
  [ -e run ] && fail "made a folder: bitloop $*" && rm -rf run
}

# works TEXT ARGUMENTS...: status 0, TEXT on standard output.
works() {
  local text=$1
  shift
  "$bitloop" "$@" > out 2> err || fail "status $?: bitloop $*: $(cat err)"
  grep -q -- "$text" out || fail "no '$text' in the output of: bitloop $*"
}

works 'usage: bitloop' --help
for verb in search infer measure train eval info serve devices check; do works "  bitloop $verb " "$verb" --help; done
works 'fingerprint' info
works '"methods"' info --format json
works 'conv1' measure --model lenet --policy w4a8
works '"cycles"' measure --model lenet --policy w8a8 --format json
works '"network"' measure --layer 'conv in=64x8x8 out=64 kernel=3 stride=1 pad=1' --policy w2a2 --format json
works 'layer,cycles' measure --model lenet --format csv

# What was measured is remembered, and says the same as a run.
works '"remembered": 5' measure --model lenet --policy w8a8 --format json && grep -v '"measured"\|"remembered"' out > remembered
works '"measured": 5' measure --model lenet --policy w8a8 --fresh --format json && grep -v '"measured"\|"remembered"' out > fresh
cmp -s remembered fresh || fail "a remembered measurement differs from a fresh one"
echo 'no database' > cache/bitloop/cycles.sqlite
works '5 measured, 0 remembered' measure --model lenet --policy w8a8
[ "$(wc -l < err)" -eq 1 ] && grep -q '^bitloop: warning: .*set-aside-1' err || fail "a damaged store is not told: $(cat err)"
grep -q 'no database' cache/bitloop/cycles.sqlite.set-aside-1 || fail "a damaged store is not kept"
works '0 measured, 5 remembered' measure --model lenet --policy w8a8

refused 'verb'
refused "unknown verb 'fly'" fly
refused 'model' measure
refused 'vgg' measure --model vgg
refused 'widths' measure --model lenet --policy w3a3
refused 'no-such' measure --model lenet --policy no-such.json
refused 'options' measure --model lenet extra
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

[ $failures -eq 0 ] && echo "all passed"
exit $((failures > 0))
