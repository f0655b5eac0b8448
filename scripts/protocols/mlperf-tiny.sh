# mlperf-tiny: cycles of MLPerf Tiny's networks (seconds)
# shellcheck shell=bash disable=SC2154
for hardware in default zynq7020; do
  for model in resnet8 mobilenet-v1-0.25 ds-cnn ad-autoencoder; do
    for policy in w8a8 w4a4 w2a2; do
      once "$folder/mlperf-tiny/$hardware/$model-$policy.json" "$bitloop" measure --model "$model" --policy "$policy" \
        --hardware "$hardware" --format json
    done
  done
done
page hardware "$folder/mlperf-tiny"
