#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace bitloop::codesign {

/// The most points of a space that nobody meant by mistake.
inline constexpr std::size_t kManyPoints = 500;

/// What a text with several values stands for, each as a text of one: "p=2,4 f=8,16;default" is
/// "p=2,f=8", "p=2,f=16", "p=4,f=8", "p=4,f=16" and "default".
///
/// Semicolons separate spaces, which follow each other; in a space, spaces and commas separate items. An item
/// with = begins a parameter, one without is another value of the parameter before it or, where it is one of
/// `names`, a point of its own. Parameters multiply, the first one slowest. `subject` begins every error.
/// Throws InputError for texts that are none of this, and for more than `most` points.
std::vector<std::string> points_of(std::string_view subject, std::string_view text,
                                   const std::vector<std::string>& names, std::size_t most);

/// Of `--hardware`: in the names that devices tell, each once; with each folder of RTL, after that which
/// bitloop was built from. Throws InputError for what is no legal hardware.
std::vector<std::string> hardware_space(std::string_view text, const std::vector<std::string>& rtl,
                                        std::size_t most);

/// Of `--memory`: texts of memories, each once. Throws InputError for what is none.
std::vector<std::string> memory_space(std::string_view text, std::size_t most);

}  // namespace bitloop::codesign
