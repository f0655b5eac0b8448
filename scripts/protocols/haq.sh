# haq: HAQ's budget 0.6, and what the faults of its code cost, on ResNet-20 by stages and on its surrogate (minutes)
# shellcheck shell=bash disable=SC2154
compare haq-stages --table "$root/tables/resnet20_stages.json" --seeds 10 --first-seed 1001 --evaluations 80 \
  --budgets 0.25,0.6 --methods haq,haq:as-published,ddpg,ours
compare haq-surrogate --table "$root/tables/resnet20_surrogate.json" --seeds 5 --first-seed 1001 --evaluations 80 \
  --budgets 0.6 --methods haq,haq:as-published,ddpg,ours
page "$folder/haq-stages.json"
page "$folder/haq-surrogate.json"
