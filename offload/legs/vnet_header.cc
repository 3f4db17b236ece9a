// SPDX-License-Identifier: Apache-2.0
#include "offload/legs/vnet_header.h"

#include <cstring>

namespace sluice::legs {
namespace {

// Source: include/uapi/linux/virtio_net.h. Not included: older copies lack UDP_L4, and one of its
// members is called `class`.
constexpr std::uint8_t kNeedsChecksum = 1;
constexpr std::uint8_t kGsoNone = 0, kGsoTcp4 = 1, kGsoUdpL4 = 5, kGsoEcn = 0x80;

struct Wire {
  std::uint8_t flags, gso_type;
  std::uint16_t hdr_len, gso_size, csum_start, csum_offset;
};
static_assert(sizeof(Wire) == kVnetHeader);

constexpr std::uint32_t kUdpHeader = 8, kTcpHeader = 20;

}  // namespace

std::optional<Offload> parse_vnet_header(std::span<const std::uint8_t, kVnetHeader> header,
                                         std::uint32_t frame_length) {
  Wire wire{};
  std::memcpy(&wire, header.data(), sizeof wire);
  Offload offload;
  if ((wire.flags & kNeedsChecksum) != 0) {
    if (std::uint32_t{wire.csum_start} + wire.csum_offset + 2 > frame_length) return std::nullopt;
    offload.partial_checksum = true;
    offload.checksum_start = wire.csum_start;
    offload.checksum_offset = wire.csum_offset;
  }
  switch (static_cast<std::uint8_t>(wire.gso_type & ~kGsoEcn)) {
    case kGsoNone:
      return offload;
    case kGsoTcp4:
      offload.gso = Gso::kTcp4;
      break;
    case kGsoUdpL4:
      offload.gso = Gso::kUdp4;
      break;
    default:
      return std::nullopt;
  }
  if (wire.gso_size == 0) return std::nullopt;
  offload.gso_size = wire.gso_size;
  return offload;
}

std::optional<VnetHeader> make_vnet_header(const Frame& frame) {
  const Offload& offload = frame.offload;
  Wire wire{};
  if (offload.partial_checksum) {
    if (std::uint32_t{offload.checksum_start} + offload.checksum_offset + 2 > frame.length) {
      return std::nullopt;
    }
    wire.flags = kNeedsChecksum;
    wire.csum_start = offload.checksum_start;
    wire.csum_offset = offload.checksum_offset;
  }
  if (offload.gso != Gso::kNone) {
    // The kernel finds the L4 header by the checksum's start: GSO without it can't be said.
    const std::uint32_t start = offload.checksum_start;
    if (!offload.partial_checksum || offload.gso_size == 0) return std::nullopt;
    std::uint32_t l4_length = kUdpHeader;
    if (offload.gso == Gso::kTcp4) {
      if (start + kTcpHeader > frame.length) return std::nullopt;
      l4_length = std::uint32_t{frame.data[start + 12]} / 16 * 4;  // data offset, RFC 9293 3.1
      if (l4_length < kTcpHeader) return std::nullopt;
    }
    if (start + l4_length > frame.length) return std::nullopt;
    wire.gso_type = offload.gso == Gso::kTcp4 ? kGsoTcp4 : kGsoUdpL4;
    wire.gso_size = offload.gso_size;
    wire.hdr_len = static_cast<std::uint16_t>(start + l4_length);
  }
  VnetHeader header;
  std::memcpy(header.data(), &wire, sizeof wire);
  return header;
}

}  // namespace sluice::legs
