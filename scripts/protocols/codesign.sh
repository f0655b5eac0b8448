# codesign MODEL DATA: hardware and policy together, on Zynq chips: LeNet, ResNet-20 (an .onnx file and a folder), MobileNet-V2
# shellcheck shell=bash disable=SC2154
takes 2 "$@"
space='p=4,8,16 f=8,16,32 activation_rows=2048,4096 channel_lanes=16;default'
front=(--hardware-space "$space" --objective pareto --budget 1 --sensitivities none)
search codesign/lenet-zynq7020 --model lenet --data fashion-mnist --chip zynq7020 --evaluations 60 "${front[@]}"
# No configuration of the array fits the smaller chip: bitloop says which is the smallest, and its share.
"$bitloop" search --model lenet --data fashion-mnist --chip zynq7010 --evaluations 60 "${front[@]}" \
  --out "$folder/codesign/lenet-zynq7010" || true
search codesign/lenet-zu3eg --model lenet --data fashion-mnist --chip zu3eg --evaluations 60 "${front[@]}"
search codesign/resnet20 --model "$1" --data "cifar10:$2" --mean "0.485,0.456,0.406" --std "0.229,0.224,0.225" \
  --rules ends8 --reward-from test --reward-images 1000 --chip zynq7020 --evaluations 120 --retrain-epochs 0 \
  --final-epochs 0 "${front[@]}"
search codesign/mobilenet --model mobilenet-v2 --data fashion-mnist --float-epochs 2 --reward-images 1000 \
  --chip zynq7020 --evaluations 60 --retrain-epochs 0 --final-epochs 0 "${front[@]}"
for run in lenet-zynq7020 lenet-zu3eg resnet20 mobilenet; do
  page fronts "$folder/codesign/$run/summary.json"
done
"$root/scripts/front_picture" "$folder/codesign/mobilenet" > "$folder/codesign/mobilenet.svg"
