# agents MODEL DATA: the papers' agents and ours on ResNet-20 and CIFAR-10, an .onnx file and a folder (an hour)
# shellcheck shell=bash disable=SC2154
# shellcheck disable=SC2054  # of numbers that one option takes
# 0.2 at 120 evaluations, 40 are read off; 0.3 at 40. Not retrained.
takes 2 "$@"
task=(--model "$1" --data "cifar10:$2" --mean "0.485,0.456,0.406" --std "0.229,0.224,0.225"
  --rules ends8 --reward-from test --reward-images 1000 --seeds 5 --first-seed 1001
  --methods ours,ddpg,cmc2024,haq,releq,adrl,dnas,lagrange)
compare agents "${task[@]}" --budgets 0.2 --evaluations 120
compare agents-few "${task[@]}" --budgets 0.3 --evaluations 40
# The lines beside them, and what HAQ's faults cost.
compare agents-lines "${task[@]}" --methods ours,solver,uniform,random,haq,haq:as-published,dnas:soft-barrier \
  --budgets 0.2 --evaluations 120
page "$folder/agents.json"
page "$folder/agents-few.json"
page "$folder/agents-lines.json"
page learning "$folder/agents.csv" "$folder/agents.csv" 120 adrl ours
