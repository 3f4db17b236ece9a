// SPDX-License-Identifier: Apache-2.0
#include "offload/eswitch/segment.h"

#include <algorithm>

#include "offload/eswitch/bytes.h"
#include "offload/eswitch/checksum.h"
#include "offload/eswitch/rewrite.h"

namespace sluice::eswitch {
namespace {

constexpr std::uint8_t kTcpFin = 0x01, kTcpPsh = 0x08, kTcpCwr = 0x80;
// What TCP at its smallest segment size makes of the largest frame; more is an attack on our time.
constexpr std::uint32_t kMaxSegments = 2048;
constexpr std::uint32_t kScratch = kMaxFrameLength + Encap::kLength;

// What is common to all segments of one frame.
struct Cut {
  std::uint32_t headers = 0;  // Ethernet to the end of the L4 header
  std::uint32_t payload = 0;
  std::uint32_t size = 0;  // payload of each segment but the last
  bool tcp = false;
};

// False where the frame is not what its offload fields say.
bool plan(const Packet& p, std::uint32_t max_ip, Cut& cut) {
  cut.tcp = p.offload.gso == Gso::kTcp4;
  if (p.offload.gso_size == 0 || p.kind != (cut.tcp ? Kind::kTcp : Kind::kUdp)) return false;
  const std::uint32_t l4 = cut.tcp ? (p.data[p.l4 + 12U] >> 4U) * 4U : kUdpLength;
  cut.headers = p.l4 + l4;
  if (cut.headers >= p.l3_end) return false;
  cut.payload = p.l3_end - cut.headers;
  cut.size = p.offload.gso_size;
  if (cut.tcp && max_ip > cut.headers - p.l3) {
    cut.size = std::min(cut.size, max_ip - (cut.headers - p.l3));
  }
  return cut.payload / cut.size < kMaxSegments;
}

// Writes the headers of the segment whose payload starts at `offset` and is `length` long.
void write_headers(const Packet& p, const Cut& cut, std::uint8_t* frame, std::uint32_t index,
                   std::uint32_t offset, std::uint32_t length) {
  std::memcpy(frame, p.data, cut.headers);
  std::uint8_t* ip = frame + p.l3;
  std::uint8_t* l4 = frame + p.l4;
  store16(ip + 2, cut.headers - p.l3 + length);
  store16(ip + 4, load16(ip + 4) + index);
  write_ipv4_checksum(ip, p.l4 - p.l3);
  if (cut.tcp) {
    store32(l4 + 4, load32(l4 + 4) + offset);
    if (offset + length < cut.payload) l4[13] &= static_cast<std::uint8_t>(~(kTcpFin | kTcpPsh));
    if (offset != 0) l4[13] &= static_cast<std::uint8_t>(~kTcpCwr);
  } else {
    store16(l4 + 4, kUdpLength + length);
  }
}

}  // namespace

bool complete_checksum(Packet& p) {
  const std::uint32_t start = p.offload.checksum_start;
  const std::uint32_t field = start + p.offload.checksum_offset;
  if (field + 2 > p.length || start >= p.length) return false;
  // A padded frame's checksum ends with its IP packet.
  const std::uint32_t end =
      p.kind != Kind::kOther && start >= p.l4 && start < p.l3_end && field + 2 <= p.l3_end
          ? p.l3_end
          : p.length;
  auto sum = static_cast<std::uint16_t>(~fold(sum_bytes({p.data + start, end - start})));
  if (sum == 0 && p.offload.checksum_offset == kUdpChecksumOffset) sum = 0xffff;
  store(p.data + field, sum);
  p.offload.partial_checksum = false;
  return true;
}

Segmenter::Segmenter() : scratch_(std::make_unique<std::uint8_t[]>(kScratch)) {}

std::uint32_t Segmenter::one(Packet& p, const Sink& sink) {
  if (p.encap != nullptr) {
    if (p.headroom < Encap::kLength) {
      if (p.length > kMaxFrameLength) return 0;
      std::memcpy(scratch_.get() + Encap::kLength, p.data, p.length);
      p.data = scratch_.get() + Encap::kLength;
      p.headroom = Encap::kLength;
    }
    if (!encapsulate(p, *p.encap, tunnel_source_port(p), ip_id_)) return 0;
    ++ip_id_;
    p.encap = nullptr;
  }
  sink({p.data, p.length});
  return 1;
}

std::uint32_t Segmenter::segment(const Packet& p, std::uint32_t max_ip, const Sink& sink) {
  Cut cut;
  if (!plan(p, max_ip, cut)) return 0;
  const std::uint8_t proto = cut.tcp ? kProtoTcp : kProtoUdp;
  std::uint32_t made = 0;
  for (std::uint32_t offset = 0; offset < cut.payload; offset += cut.size, ++made) {
    const std::uint32_t length = std::min(cut.size, cut.payload - offset);
    std::uint8_t* frame = scratch_.get() + Encap::kLength;
    write_headers(p, cut, frame, made, offset, length);
    std::memcpy(frame + cut.headers, p.data + cut.headers + offset, length);
    write_l4_checksum(frame + p.l3, frame + p.l4, proto, cut.headers - p.l4 + length);
    Packet segment = p;
    segment.data = frame;
    segment.length = cut.headers + length;
    segment.headroom = Encap::kLength;
    segment.offload = Offload{};
    one(segment, sink);
  }
  return made;
}

std::uint32_t Segmenter::emit(Packet& p, std::uint32_t max_ip, const Sink& sink) {
  if (p.length > kMaxFrameLength) return 0;
  if (p.encap != nullptr) max_ip = max_ip > Encap::kLength ? max_ip - Encap::kLength : 1;
  if (p.offload.gso != Gso::kNone) return segment(p, max_ip, sink);
  if (p.offload.partial_checksum && !complete_checksum(p)) return 0;
  return one(p, sink);
}

}  // namespace sluice::eswitch
