# mobilenet: MobileNet-V2 on Fashion-MNIST, its float training included (minutes)
# shellcheck shell=bash disable=SC2154
# Of 28 pixels it reaches 0.303.
compare mobilenet --model mobilenet-v2 --data fashion-mnist --float-epochs 2 --reward-images 1000 \
  --seeds 3 --first-seed 1001 --evaluations 80 --methods ours,solver,uniform --budgets 0.4
page "$folder/mobilenet.json"
