# resnet20 MODEL DATA: ResNet-20 on CIFAR-10, an .onnx file and a folder (hours)
# shellcheck shell=bash disable=SC2154
# shellcheck disable=SC2054  # of numbers that one option takes
takes 2 "$@"
resnet20=(--model "$1" --data "cifar10:$2" --mean "0.485,0.456,0.406" --std "0.229,0.224,0.225"
  --rules ends8 --reward-from test --reward-images 0 --seeds 5 --first-seed 1001 --budgets 0.2,0.3)
compare resnet20 "${resnet20[@]}" --evaluations 160 --methods ours,solver,uniform,random,evolution
# The solver's profile has half of 40 evaluations, and so few images.
compare resnet20-few "${resnet20[@]}" --evaluations 40 --methods ours,solver
page "$folder/resnet20.json"
page "$folder/resnet20-few.json"
