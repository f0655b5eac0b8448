#pragma once

#include <optional>
#include <string>
#include <vector>

#include "quant/data/dataset.h"
#include "quant/model/model.h"
#include "quant/model/progress.h"
#include "quant/training/float_checkpoint.h"

namespace bitloop::agent {

/// What a training, an evaluation or a search works on, in the words of the command line.
struct TaskSpec {
  std::string model = "lenet";         ///< a name of the zoo or an .onnx file
  std::string data = "fashion-mnist";  ///< as load_dataset takes it, or `noise`
  std::optional<host::Shape> input;    ///< size of the images
  std::vector<std::string> outputs;    ///< names in the .onnx file that end the network; empty: its results
  std::vector<float> mean, deviation;  ///< empty: the model's, else the data's, else assumed
  std::string class_names;  ///< file of the network's classes, for a folder that holds some of them
  bool reward_from_test = false;
  std::string augmentation = "usual";  ///< the data's own; else as quant::augmentation_of takes it
  std::string checkpoint;  ///< file of float weights; empty: the ONNX file's, else trained and cached
  int float_epochs = 5;    ///< of a network of the zoo that is trained

  bool operator==(const TaskSpec&) const = default;
};

/// With paths that hold from any working folder.
TaskSpec with_absolute_paths(TaskSpec spec);

struct Task {
  quant::FloatNetwork model;
  quant::Dataset data;
  quant::Normalization assumed;  ///< of the input, where neither file nor user says it; else empty
  std::string note;              ///< says what was assumed; empty: nothing
};

/// Opens model and data and checks that they fit together. `noise` stands for random pixels in the network's
/// size: enough to calibrate and export where accuracy does not matter. Throws InputError.
Task open_task(const TaskSpec& spec);

/// Float weights: the checkpoint file's, the ONNX file's, or those trained on the data and cached. Networks
/// that are no classifiers get random ones.
quant::FloatCheckpoint open_weights(const TaskSpec& spec, const Task& task,
                                    const quant::Progress& progress = {});

}  // namespace bitloop::agent
