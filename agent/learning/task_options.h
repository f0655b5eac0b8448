#pragma once

#include "agent/console/options.h"
#include "agent/evaluation/task.h"
#include "host/network/policy.h"
#include "quant/retraining/retraining.h"

namespace bitloop::learning {

/// --model, --data, --input, --classes, --mean, --std, --reward-from, --augment, --checkpoint and
/// --float-epochs.
void add_task_options(console::Options& options);
agent::TaskSpec task_spec(const console::Options& options);
/// The same as agent::open_task; also tells the user what was assumed.
agent::Task task_of(const agent::TaskSpec& spec);
void tell_note(const agent::Task& task);

/// --quantizer, --clipping, --optimizer, --learning-rate, --learning-rate-decay, --distillation,
/// --retrain-augmented, --patience, --retrain-images (by default `images`), --seed; the epochs are the verb's
/// own. `more_quantizers`: names beside those that the hardware executes.
void add_retraining_options(console::Options& options, int images,
                            const std::vector<std::string>& more_quantizers = {});
quant::Retraining retraining_of(const console::Options& options,
                                const std::vector<std::string>& more_quantizers = {});

/// --policy and --pin.
void add_policy_options(console::Options& options);
host::Policy policy_of(const console::Options& options, const host::Network& network);

/// Names of options that say what is evaluated; a run folder says it instead.
const std::vector<std::string>& task_option_names();

}  // namespace bitloop::learning
