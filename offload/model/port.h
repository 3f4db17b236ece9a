// SPDX-License-Identifier: Apache-2.0
// The ports of an eswitch, as the engine names them. A backend maps them to switch domain and
// representor id; nothing above it knows a driver's port number.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace sluice::model {

struct PortId {
  enum class Kind : std::uint8_t {
    kUplink,  // the wire
    kHost,    // the node: its own processes and every pod on a veth
    kVf,      // one virtual function
  };
  Kind kind = Kind::kUplink;
  std::uint16_t index = 0;  // VF index on its PF, from 0; 0 for the other kinds

  static constexpr PortId uplink() { return {Kind::kUplink, 0}; }
  static constexpr PortId host() { return {Kind::kHost, 0}; }
  static constexpr PortId vf(std::uint16_t i) { return {Kind::kVf, i}; }

  std::string to_string() const;  // "uplink", "host", "vf3"
  static Result<PortId> parse(std::string_view text);
  auto operator<=>(const PortId&) const = default;
};

}  // namespace sluice::model

template <>
struct std::hash<sluice::model::PortId> {
  std::size_t operator()(const sluice::model::PortId& port) const noexcept {
    return static_cast<std::size_t>(port.kind) << 16U | port.index;
  }
};
