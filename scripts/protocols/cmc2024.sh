# cmc2024 MNIST: CMC 2024's LeNet on MNIST (a folder), 10 draws of 200 training images (half an hour)
# shellcheck shell=bash disable=SC2154
# Its section 4.2: 200 training images, 100 epochs, rate 0.01, "learning rate decay is 0.8"; its section 4.3.1: ratio at
# most 0.6, 50 episodes; its section 3.3.1: tied pairs. It names no optimizer (here sgd, as in HAQ's code), no size of
# batches and no distillation.
takes 1 "$@"
work=$folder/cmc2024
for draw in {1..10}; do
  recipe=(--model lenet --data "mnist:$1" --checkpoint "$work/float$draw.pt" --seed "$draw" --rules tied
    --quantizer symmetric --optimizer sgd --learning-rate 0.01 --learning-rate-decay 0.8 --distillation 0
    --retrain-epochs 100 --retrain-images 200 --reward-images 5000)
  once "$work/float$draw.json" "$bitloop" train --model lenet --data "mnist:$1" --images 200 --seed "$draw" \
    --epochs 100 --batch 50 --out "$work/float$draw.pt" --format json
  once "$work/table$draw.txt" "$bitloop" tabulate "${recipe[@]}" --test-images 0 --out "$work/table$draw.json"
  compare "cmc2024/methods$draw" --table "$work/table$draw.json" --budgets 0.6 --evaluations 50 --episodes 50 --seeds 5 \
    --methods ours,cmc2024,cmc2024:no-weight-deviation,cmc2024:haq-reward,cmc2024:gap-reward,ddpg,solver,uniform,random
  # The paper's one search: on a network, with the line that its hardware's users have anyway.
  [ "$draw" -eq 1 ] && search cmc2024/search "${recipe[@]}" --method cmc2024 --lines uniform --budget 0.6 --episodes 50 \
    --final-epochs 100 --fresh
done
page optimum "$work"
page draws "$work"
page ablations "$work" cmc2024
page search "$work/search/summary.json"
