#include "agent/solver/knapsack.h"
