# cmc2024-mobilenet: CMC 2024's MobileNet-V2 on Fashion-MNIST, its float training included
# shellcheck shell=bash disable=SC2154
# Ratio 0.6 and 50 episodes of its section 4.3.1. The retraining is that of its LeNet (section 4.2), since what it used
# here is not printed, but of 20 epochs: the 80 others, at 0.8^20 of the rate and less, take four fifths of the time.
work=$folder/cmc2024-mobilenet
once "$work/float.json" "$bitloop" train --model mobilenet-v2 --data fashion-mnist --epochs 2 --out "$work/float.pt" \
  --format json
search cmc2024-mobilenet/search --model mobilenet-v2 --data fashion-mnist --checkpoint "$work/float.pt" --rules tied \
  --quantizer symmetric --optimizer sgd --learning-rate 0.01 --learning-rate-decay 0.8 --distillation 0 \
  --retrain-epochs 20 --retrain-images 200 --final-epochs 20 --reward-images 1000 --method cmc2024 \
  --lines uniform --budget 0.6 --episodes 50
page search "$work/search/summary.json"
