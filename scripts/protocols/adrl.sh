# adrl: how fast ADRL learns against DDPG, on ResNet-20's surrogate (minutes); agents has it on the network
# shellcheck shell=bash disable=SC2154
# The paper's lower figure for its speed is 4.5: ADRL may have a quarter of DDPG's 400 evaluations.
surrogate=(--table "$root/tables/resnet20_surrogate.json" --seeds 20 --first-seed 1001 --budgets 0.2)
compare adrl-ddpg "${surrogate[@]}" --methods ddpg --evaluations 400
# `ddpg` planned for as many shows what a shorter schedule alone gives.
compare adrl "${surrogate[@]}" --methods adrl,adrl:reverse-projection,ddpg,ours --evaluations 100
page learning "$folder/adrl-ddpg.csv" "$folder/adrl.csv" 400 adrl adrl:reverse-projection ddpg ours
