#pragma once

#include <concepts>
#include <type_traits>

namespace bitloop::host {

/// Smallest whole number that is at least `value` / `by`, for `value` from 0 on.
template <std::integral Value, std::integral By>
constexpr std::common_type_t<Value, By> divide_up(Value value, By by) {
  return (value + by - 1) / by;
}

/// Smallest multiple that is at least `value`, for `value` from 0 on.
template <std::integral Value, std::integral Multiple>
constexpr std::common_type_t<Value, Multiple> round_up(Value value, Multiple multiple) {
  return divide_up(value, multiple) * multiple;
}

/// The remainder in 0 .. `divisor` - 1, of negative values too.
template <std::signed_integral Value, std::signed_integral Divisor>
constexpr Divisor modulo(Value value, Divisor divisor) {
  return static_cast<Divisor>((value % divisor + divisor) % divisor);
}

}  // namespace bitloop::host
