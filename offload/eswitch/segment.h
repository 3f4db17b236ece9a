// SPDX-License-Identifier: Apache-2.0
// The last step of a frame: what it still needs before it may leave by something without offloads.
//
// Contract: emit() calls the sink once for each frame that goes out, with complete checksums,
// encapsulated if the pipeline asked for it, at most `max_ip` bytes from its IP header on (if TCP;
// UDP datagrams are never cut otherwise than their sender said). A frame that neither has offloads
// nor a tunnel goes out as it is. The bytes given to the sink are valid during the call.
// Threading: one thread at a time per Segmenter.
// Source: the meaning of gso fields, include/uapi/linux/virtio_net.h.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "offload/eswitch/packet.h"

namespace sluice::eswitch {

class Segmenter {
 public:
  using Sink = std::function<void(std::span<std::uint8_t>)>;

  Segmenter();

  // The number of frames made; 0 where the packet's offload fields contradict its bytes.
  std::uint32_t emit(Packet& packet, std::uint32_t max_ip, const Sink& sink);

 private:
  std::uint32_t segment(const Packet& packet, std::uint32_t max_ip, const Sink& sink);
  std::uint32_t one(Packet& packet, const Sink& sink);

  std::unique_ptr<std::uint8_t[]> scratch_;  // one segment, its tunnel header before it
  std::uint16_t ip_id_ = 1;                  // of outer headers
};

// Completes a partial checksum in place; false (and nothing done) where its fields are absurd.
bool complete_checksum(Packet& packet);

}  // namespace sluice::eswitch
