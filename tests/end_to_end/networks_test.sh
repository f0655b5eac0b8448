#!/usr/bin/env bash
# A user's own network and images: trained, evaluated on the integer reference and on the device, exported, read back;
# and what bad networks, images and options get.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/common.sh"

# photos/train/CLASS/*.png: the class is where a bright bar lies, under noise.
python3 - <<'EOF'
import os, random, struct, zlib
random.seed(1)

def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))

def png(path, label):
    rows = b''
    for y in range(28):
        bar = lambda x: (y if label < 2 else x) // 14 == label % 2
        rows += b'\0' + bytes(random.randrange(90) + (120 if bar(x) else 0) for x in range(28))
    with open(path, 'wb') as file:
        file.write(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 28, 28, 8, 0, 0, 0, 0)) +
                   chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))

for part, count in (('train', 150), ('test', 25)):
    for label, name in enumerate(('bottom', 'left', 'right', 'top')):
        os.makedirs(f'photos/{part}/{name}')
        for i in range(count):
            png(f'photos/{part}/{name}/{i}.png', label)
EOF

data="--data folder:photos --input 1x28x28"
works 'lenet.pt' train --model lenet $data --epochs 3 --batch 16 --augment none --out lenet.pt
task="--model lenet $data --checkpoint lenet.pt"
works '"float"' eval $task --policy float --format json
awk -v a="$(value accuracy)" 'BEGIN { exit !(a > 0.9) }' || fail "the float network has not learnt: $(cat out)"

works '"images": 48' train --model lenet $data --epochs 2 --images 48 --batch 16 --augment none --out few.pt --format json
works '"float"' eval --model lenet $data --checkpoint few.pt --policy float --format json
works '"accuracy"' eval --model lenet $data --checkpoint few.pt --policy w4a4 --retrain 2 --retrain-images 48 \
  --learning-rate-decay 0.8 --format json

# What the device computes is what the integer reference computes.
quantized="$task --policy w4a4 --pin first,last --retrain 1"
works '"executable": true' eval $quantized --format json
accuracy=$(value accuracy) loss=$(value loss)
works '"on": "device"' eval $quantized --on device --hardware tiny --format json
[ "$(value accuracy)" = "$accuracy" ] || fail "device and integer reference differ: $accuracy, $(value accuracy)"
awk -v a="$(value loss)" -v b="$loss" 'BEGIN { d = a - b; exit !(d < 1e-5 && d > -1e-5) }' ||
  fail "losses on device and integer reference differ: $loss, $(value loss)"
for quantizer in pact dorefa symmetric; do
  works "\"$quantizer\"" eval $task --policy w4a4 --quantizer $quantizer --retrain 1 --format json
done
works '"executable": false' eval $task --policy w2a8 --quantizer k-means --retrain 1 --format json

# Exports, and the exported network as the next user's model.
for format in onnx guide job policy; do works "own.$format" export $quantized --format $format --out own.$format; done
cp own.onnx exported.onnx
works 'conv2' measure --model exported.onnx --policy w4a4 --pin first,last
works '"float"' eval --model exported.onnx $data --policy float --format json
awk -v a="$(value accuracy)" 'BEGIN { exit !(a > 0.9) }' || fail "the exported network is another one: $(cat out)"
works 'yolo.job' export --model yolov3-tiny --data noise --input 3x32x32 --policy w4a4 --hardware tiny --format job --out yolo.job

# Exported jobs run, of one image and of several: each image gets the results that it gets alone.
head -c 3072 /dev/urandom > first.bin && head -c 3072 /dev/urandom > second.bin && cat first.bin second.bin > both.bin
codes() { python3 -c 'import json, sys; print(*(o["codes"] for o in json.load(open("out"))["outputs"]), sep="\n")'; }
works '"cycles_per_image"' replay yolo.job --image first.bin --hardware tiny --format json && codes > alone
works '"cycles_per_image"' replay yolo.job --image second.bin --hardware tiny --format json && codes >> alone
works 'two.job' export --model yolov3-tiny --data noise --input 3x32x32 --policy w4a4 --hardware tiny --format job --images-per-job 2 --out two.job
works '"images": 2' replay two.job --image both.bin --hardware tiny --format json && codes > together
cmp -s alone together || fail "two images in a job give other results than one each"
refused 'first.bin has 3072 bytes' replay two.job --image first.bin --hardware tiny
refused 'own.onnx' replay own.onnx --image first.bin
refused '--images-per-job' export $quantized --format guide --out x.json --images-per-job 2

# Bad input.
head -c 3000 own.onnx > torn.onnx
refused 'torn.onnx' measure --model torn.onnx
refused 'missing.onnx' measure --model missing.onnx
refused 'lenet.pt' eval --model mobilenet-v2 $data --checkpoint lenet.pt
refused 'classes' eval --model exported.onnx --data fashion-mnist --policy float
refused 'photos' eval --model lenet --data folder:photos/none
refused 'quantizer' eval $task --quantizer magic
refused 'clipping' eval $task --clipping magic
refused 'conv9' eval $task --pin conv9
refused 'mean' eval $task --mean 0.5,x --std 1
refused 'comma' eval $task --mean 0.5, --std 1,
refused 'comma' eval $task --pin conv1,,conv2
refused 'diverged' eval $quantized --optimizer sgd --learning-rate 1000
refused 'learning-rate-decay 0 is out of range' eval $quantized --learning-rate-decay 0
refused '481 images .* in the 480 of' train --model lenet $data --images 481 --out none.pt
refused 'augmentation' eval $task --augment tilt
refused 'input' eval --model lenet --data folder:photos --input 28
refused 'format' export $quantized --format tar --out x
refused 'folder' export $quantized --format onnx --out none/x.onnx
refused '--out' export $quantized --format onnx
refused 'overwrite' export --model exported.onnx $data --format onnx --out exported.onnx
refused '--hardware' export $quantized --format guide --out x.json --hardware tiny
refused 'huge' export $quantized --format job --out x.job --hardware huge
# Told before the work whose result would be lost.
refused '--out' train $data --out ''
refused 'regular file' train $data --out photos
refused 'overwrite' train --model exported.onnx $data --out exported.onnx
"$bitloop" eval $quantized --on device --device tcp://127.0.0.1:1 > out 2> err && fail 'a device that is not there'
grep -q 'retraining' err && fail "retrained for a device that is not there: $(cat err)"
mkfifo pipe && refused 'regular' export $quantized --format onnx --out pipe
refused 'images' eval $task --policy float --images 5
echo 'no picture' > photos/test/top/broken.png
refused 'broken.png' eval $task --policy float

conclude
