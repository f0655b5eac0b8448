# tables: the tables of the repository and the surrogate (minutes)
# shellcheck shell=bash disable=SC2154
for table in "$root"/tables/*.json; do
  name=$(basename "$table" .json)
  budgets=0.25,0.4,0.6
  [ "$name" = lenet ] && budgets=0.3,0.4,0.6  # 0.25 is below what it can reach
  compare "$name" --table "$table" --seeds 40 --first-seed 1001 --evaluations 80 --budgets "$budgets" \
    --methods ours,solver,uniform,random,greedy,evolution,nsga2,tpe,gp,forest
  # An agent that learns by gradients takes longer than all others together: fewer seeds.
  compare "$name-agents" --table "$table" --seeds 8 --first-seed 1001 --evaluations 80 --budgets "$budgets" \
    --methods ours,ddpg
  page "$folder/$name.json"
  page "$folder/$name-agents.json"
done
