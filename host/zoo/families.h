#pragma once

#include "host/network.h"

/// The zoo's networks, for images of any size that `zoo_network` lets through.
namespace bitloop::host::zoo {

/// LeCun et al., Gradient-based learning applied to document recognition, 1998, with ReLU, max pooling, batch
/// norm.
Network lenet(const Shape& image);
/// Sandler et al., MobileNetV2, 2018, width 1.0; torchvision's geometry and names.
Network mobilenet_v2(const Shape& image);
/// He et al., Deep residual learning for image recognition, 2015; torchvision's geometry and names (of
/// ResNet-50 that is v1.5: the 3x3 convolution has the stride).
Network resnet18(const Shape& image);
Network resnet50(const Shape& image);
/// The same paper's network for CIFAR-10; as shared/models/resnet20-cifar10-jpeg.onnx, whose shortcuts
/// between stages are 1x1 convolutions without batch norm.
Network resnet20(const Shape& image);
/// Redmon and Farhadi, YOLOv3, 2018; layers are numbered as in darknet's configuration files. The results are
/// those of the 255-channel heads; decoding boxes is no part of the network.
Network yolov3(const Shape& image);
Network yolov3_tiny(const Shape& image);

}  // namespace bitloop::host::zoo
