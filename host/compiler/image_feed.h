#pragma once

#include "host/compiler/window_op.h"
#include "host/device/device.h"
#include "host/program/program.h"

namespace bitloop::host {

/// Brings image rows into the staging ring and packs them into rows of positions.
class ImageFeed {
 public:
  ImageFeed(const WindowOp& op, const HardwareInfo& hardware, Address image);

  /// A rectangle of packed positions.
  struct Area {
    int first_row = 0;
    int rows = 1;
    int first_column = 0;
    int columns = 1;
  };

  /// Packs an area of the blocks first_block .. end_block - 1; `chip` is where its first block's first
  /// position goes. Emits LOAD_IMAGE for image rows that are not staged. Throws InputError where not even one
  /// packed row's image rows fit the staging ring.
  void pack(const Area& area, int first_block, int end_block, const ChipRows& chip, Program& program);

 private:
  /// Rows of the image that `rows` packed rows from `first` read, clipped to the image: [begin, end).
  struct ImageRows {
    long begin;
    long end;
  };
  /// Words of the image: [begin, end).
  struct Words {
    long begin = 0;
    long end = 0;
  };
  [[nodiscard]] ImageRows image_rows(int first, int rows) const;
  [[nodiscard]] Words image_words(const ImageRows& rows) const;
  [[nodiscard]] int rows_that_fit(const Area& area) const;
  [[nodiscard]] bool meet(const Words& a, const Words& b) const;
  void stage(const ImageRows& rows, Program& program);
  void pack_block(const Area& area, int block, const ChipRows& chip, Program& program) const;

  const WindowOp& op_;
  const ImagePacking& packing_;
  long staging_words_;
  Address image_;
  Words staged_;  ///< that lie in the ring
  Words packed_;  ///< that the last PACK reads
};

}  // namespace bitloop::host
