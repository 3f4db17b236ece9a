// SPDX-License-Identifier: Apache-2.0
// fuzz-deps: sluice_eswitch
// Any bytes as a frame with any offload fields: parser, pipeline with rules of every kind, and
// segmentation. The frame lies in a block of exactly its size, so that sanitizers see every slip.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "offload/eswitch/parser.h"
#include "offload/eswitch/pipeline.h"
#include "offload/eswitch/segment.h"

using namespace sluice;
using namespace sluice::eswitch;

namespace {

constexpr std::size_t kControl = 10;  // bytes of input that are not the frame

Actions with(Fate fate, std::uint16_t target) {
  Actions a;
  a.fate = fate;
  a.target = target;
  a.count = true;
  return a;
}

void must(const Result<RuleId>& rule) {
  if (!rule) std::abort();
}

std::unique_ptr<Pipeline> make_pipeline() {
  auto pipeline = std::make_unique<Pipeline>(Pipeline::Options{});
  Match tunnel;
  tunnel.value.is_tunnel = tunnel.mask.is_tunnel = true;
  Actions decap = with(Fate::kJump, 1);
  decap.decap = true;
  decap.meta = 0x20000;
  decap.meta_mask = 0xf0000;
  must(pipeline->insert(0, 10, tunnel, decap));
  must(pipeline->insert(0, 20, {}, with(Fate::kJump, 1)));

  Match tcp;
  tcp.value.proto = 6, tcp.mask.proto = 0xff, tcp.mask.tcp_flags = 7;
  Actions nat = with(Fate::kJump, 3);
  nat.ip_src = 0x01020304, nat.ip_dst = 0x05060708;
  nat.l4_src = 1, nat.l4_dst = 65535;
  must(pipeline->insert(1, 0, tcp, nat));
  Match udp;
  udp.value.proto = 17, udp.mask.proto = 0xff;
  must(pipeline->insert(1, 1, udp, nat));
  must(pipeline->insert(1, 2, {}, with(Fate::kJump, 3)));

  Match tunnelled;
  tunnelled.value.meta = 0x20000, tunnelled.mask.meta = 0xf0000;
  Actions route = with(Fate::kOutput, 1);
  route.dec_ttl = true;
  route.eth_src = route.eth_dst = MacAddr{};
  must(pipeline->insert(3, 0, tunnelled, route));
  Actions encap = route;
  encap.encap = Tunnel{};
  must(pipeline->insert(3, 1, {}, encap));
  return pipeline;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::unique_ptr<Pipeline> pipeline = make_pipeline();
  static Segmenter segmenter;
  if (size < kControl || size - kControl > kMaxFrameLength) return 0;
  Packet p;
  p.headroom = (data[0] & 1U) != 0 ? 64 : 0;
  p.offload.partial_checksum = (data[0] & 2U) != 0;
  p.offload.gso = static_cast<Gso>((data[0] >> 2U) % 3);
  std::memcpy(&p.offload.checksum_start, data + 2, 2);
  std::memcpy(&p.offload.checksum_offset, data + 4, 2);
  std::memcpy(&p.offload.gso_size, data + 6, 2);
  const std::uint32_t max_ip = static_cast<std::uint32_t>(data[8]) * 256 + data[9];
  p.length = static_cast<std::uint32_t>(size - kControl);
  const std::unique_ptr<std::uint8_t[]> block(new std::uint8_t[p.headroom + p.length]);
  p.data = block.get() + p.headroom;
  if (p.length != 0) std::memcpy(p.data, data + kControl, p.length);
  p.in_port = data[1];

  const Pipeline::Burst burst(*pipeline);
  parse(p);
  pipeline->run(&p, 1);
  std::uint64_t total = 0;
  segmenter.emit(p, max_ip, [&](std::span<std::uint8_t> frame) {
    // Reads every byte; a frame is never longer than the switch allows.
    if (frame.size() > kMaxFrameLength + Encap::kLength) std::abort();
    for (const std::uint8_t byte : frame) total += byte;
  });
  return total == 1 ? 1 : 0;
}
