# mlperf-tiny CIFAR10: cycles of MLPerf Tiny's networks (seconds); ResNet-8 trained and searched (minutes)
# shellcheck shell=bash disable=SC2154
takes 1 "$@"
work=$folder/mlperf-tiny
for hardware in default zynq7020; do
  for model in resnet8 mobilenet-v1-0.25 ds-cnn ad-autoencoder; do
    for policy in w8a8 w4a4 w2a2; do
      once "$work/cycles/$hardware/$model-$policy.json" "$bitloop" measure --model "$model" --policy "$policy" \
        --hardware "$hardware" --format json
    done
  done
done
page hardware "$work/cycles"
task=(--model resnet8 --data "cifar10:$1")
once "$work/float.json" "$bitloop" train "${task[@]}" --epochs 20 --optimizer sgd --learning-rate 0.1 \
  --out "$work/float.pt" --format json
search mlperf-tiny/search "${task[@]}" --checkpoint "$work/float.pt" --budget 0.25 --evaluations 16 \
  --final-epochs 5 --lines uniform
page search "$work/search/summary.json"
