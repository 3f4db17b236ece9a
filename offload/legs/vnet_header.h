// SPDX-License-Identifier: Apache-2.0
// Between struct virtio_net_hdr, as AF_PACKET speaks it in host byte order, and Offload.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "offload/legs/leg.h"

namespace sluice::legs {

inline constexpr std::size_t kVnetHeader = 10;  // sizeof(struct virtio_net_hdr)
using VnetHeader = std::array<std::uint8_t, kVnetHeader>;

// Nothing: an offload that Offload can't say (TCP over IPv6, old UDP fragmentation offload), or
// numbers that point outside of a frame of this length.
std::optional<Offload> parse_vnet_header(std::span<const std::uint8_t, kVnetHeader> header,
                                         std::uint32_t frame_length);

// Nothing: the offload's numbers do not fit the frame.
std::optional<VnetHeader> make_vnet_header(const Frame& frame);

}  // namespace sluice::legs
