# huang2021 MODEL DATA: ResNet-20 on CIFAR-10 with 4- and 6-bit weights, clipped inside and after a search (minutes)
# shellcheck shell=bash disable=SC2154
# Weights at 4 and 6 bits in the mean are 0.5 and 0.75 of the bytes at 8 bits. Without retraining, which would repair
# what clipping spoils.
takes 2 "$@"
for seed in {1..5}; do
  for budget in 0.5 0.75; do
    task=(--model "$1" --data "cifar10:$2" --mean "0.485,0.456,0.406" --std "0.229,0.224,0.225" --rules ends8
      --reward-from test --retrain-epochs 0 --final-epochs 0 --sensitivities none --lines none --evaluations 20
      --budget "$budget" --budget-of size --seed "$seed")
    search "huang2021/${budget}_max_$seed" "${task[@]}" --clipping max
    search "huang2021/${budget}_after_$seed" "${task[@]}" --clipping-order after
    search "huang2021/${budget}_inside_$seed" "${task[@]}" --clipping-order inside
  done
done
page clipping "$folder/huang2021"
