#pragma once

#include "host/network/network.h"

/// The zoo's networks, for images of any size that `zoo_network` lets through.
namespace bitloop::host::zoo {

/// What is asked of a network.
struct Form {
  Shape image;
  int classes = 0;   ///< results of a classifier; others do not look at it
  double width = 1;  ///< multiplies MobileNet-V2's channels; others do not look at it
};

/// LeCun et al., Gradient-based learning applied to document recognition, 1998, with ReLU, max pooling, batch
/// norm.
Network lenet(const Form& form);

/// Sandler et al., MobileNetV2, 2018; torchvision's geometry and names. The width multiplies the
/// channels of every layer, rounded to multiples of 8 (the last convolution's only where it is above 1); the
/// name ends with it where it is not 1.
///
/// Images of at most 64 rows and columns take the small form: the first convolution has stride 1 instead of
/// 2, all else is the same. A 32x32 image then goes through maps of 32, 16, 8, 4 and 2 rows, with 25.7
/// million MACs at width 1 (300 million for 224x224 in the full form, which would leave a 32x32 image one
/// pixel).
Network mobilenet_v2(const Form& form);
inline constexpr int kSmallImage = 64;

/// He et al., Deep residual learning for image recognition, 2015; torchvision's geometry and names (of
/// ResNet-50 that is v1.5: the 3x3 convolution has the stride).
Network resnet18(const Form& form);
Network resnet50(const Form& form);
/// The same paper's network for CIFAR-10; as shared/models/resnet20-cifar10-jpeg.onnx, whose shortcuts
/// between stages are 1x1 convolutions without batch norm.
Network resnet20(const Form& form);

/// The reference models of MLPerf Tiny (Banbury et al., 2021; github.com/mlcommons/tiny), padded as
/// TensorFlow does. Image classification: the first layers and one block per stage of the network above.
Network resnet8(const Form& form);
/// Visual wake words: Howard et al., MobileNets, 2017, with a fourth of the channels and plain ReLUs.
Network mobilenet_v1_quarter(const Form& form);
/// Keyword spotting: Zhang et al., Hello Edge, 2017. It averages over all 25x5 positions; MLPerf's training
/// script halves 49x10 and averages over 24x5 of them.
Network ds_cnn(const Form& form);
/// Anomaly detection: an input is a vector, 5 frames of 128 mel bands, and so is the result.
Network ad_autoencoder(const Form& form);

/// Redmon and Farhadi, YOLOv3, 2018; layers are numbered as in darknet's configuration files. The results are
/// those of the 255-channel heads; decoding boxes is no part of the network.
Network yolov3(const Form& form);
Network yolov3_tiny(const Form& form);

}  // namespace bitloop::host::zoo
