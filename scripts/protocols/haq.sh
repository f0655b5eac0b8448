# haq: HAQ's budget 0.6, and what the faults of its code cost, on ResNet-20 by stages (minutes)
# shellcheck shell=bash disable=SC2154
compare haq --table "$root/tables/resnet20_stages.json" --seeds 10 --first-seed 1001 --evaluations 80 \
  --budgets 0.25,0.6 --methods haq,haq:as-published,ddpg,uniform,ours
page "$folder/haq.json"
