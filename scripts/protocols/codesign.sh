# codesign MODEL DATA: hardware and policy together, on Zynq chips: LeNet, ResNet-20 (an .onnx file and a folder), MobileNet-V2
# shellcheck shell=bash disable=SC2154
takes 2 "$@"
front=(--objective pareto --budget 1 --lines uniform,default-hardware,in-turn --sensitivities none)
space='p=4,8,16 f=8,16,32 activation_rows=2048,4096 channel_lanes=16;default'
small='p=2,4 f=2,4,8 activation_rows=1024,2048 weight_rows=512,1024 parameter_slots=32 channel_lanes=16 staging_words=512'
lenet=(--model lenet --data fashion-mnist --evaluations 60 "${front[@]}")
search codesign/lenet-zynq7020 "${lenet[@]}" --hardware-space "$space" --chip zynq7020
search codesign/lenet-zynq7010 "${lenet[@]}" --hardware-space "$small" --chip zynq7010
search codesign/resnet20 --model "$1" --data "cifar10:$2" --mean "0.485,0.456,0.406" --std "0.229,0.224,0.225" \
  --rules ends8 --reward-from test --reward-images 1000 --hardware-space "$space" --chip zynq7020 --evaluations 120 \
  --retrain-epochs 0 --final-epochs 0 "${front[@]}"
search codesign/mobilenet --model mobilenet-v2 --data fashion-mnist --float-epochs 2 --reward-images 1000 \
  --hardware-space "$space" --chip zynq7020 --evaluations 60 --retrain-epochs 0 --final-epochs 0 "${front[@]}"
for run in lenet-zynq7020 lenet-zynq7010 resnet20 mobilenet; do
  page fronts "$folder/codesign/$run/summary.json"
done
"$root/scripts/front_picture" "$folder/codesign/mobilenet" > "$folder/codesign/mobilenet.svg"
