#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace bitloop::codesign {

/// The most points of a space that nobody meant by mistake.
inline constexpr std::size_t kManyPoints = 500;
/// How many points there may be, and what else than fewer values helps beyond that (", or --all").
struct PointLimit {
  std::size_t most = kManyPoints;
  std::string advice{};
};

/// What a text with several values stands for, each as a text of one: "p=2,4 f=8,16;default" is
/// "p=2,f=8", "p=2,f=16", "p=4,f=8", "p=4,f=16" and "default".
///
/// Semicolons separate spaces, which follow each other; in a space, spaces and commas separate items. An item
/// with = begins a parameter, one without is another value of the parameter before it or, where it is one of
/// `names`, a point of its own. Parameters multiply, the first one slowest. `subject` begins every error.
/// Throws InputError for texts that are none of this, and for too many points.
std::vector<std::string> points_of(std::string_view subject, std::string_view text,
                                   const std::vector<std::string>& names, const PointLimit& limit);

/// Of hardware: in the names that devices tell, each once; with each folder of RTL, after that which
/// bitloop was built from. Throws InputError for what is no legal hardware.
std::vector<std::string> hardware_space(std::string_view subject, std::string_view text,
                                        const std::vector<std::string>& rtl, const PointLimit& limit);

/// Texts of memories, each once. Throws InputError for what is none.
std::vector<std::string> memory_space(std::string_view subject, std::string_view text,
                                      const PointLimit& limit);

}  // namespace bitloop::codesign
