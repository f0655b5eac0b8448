#pragma once

#include <stdexcept>
#include <string>

namespace bitloop {

/// Base of every error that Bitloop raises. The message is one line: what happened, where, and what to do.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The user's input (command line, file, policy, data set) is wrong; `main` turns it into exit status 2.
class InputError : public Error {
 public:
  using Error::Error;
};

/// The hardware refused or failed a job; after `Device::reset()` the device is usable again.
class DeviceError : public Error {
 public:
  using Error::Error;
};

/// The job did not end within its cycle limit.
class DeviceTimeout : public DeviceError {
 public:
  using DeviceError::DeviceError;
};

/// The way to the device failed, not the job: a cut connection, an answer that did not come or did not arrive
/// unaltered, a device that was restarted. After `Device::reset()` the job may be loaded and run again.
class DeviceLost : public DeviceError {
 public:
  using DeviceError::DeviceError;
};

}  // namespace bitloop
