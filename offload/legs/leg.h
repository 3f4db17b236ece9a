// SPDX-License-Identifier: Apache-2.0
// A leg: what carries the frames of one eswitch port to and from the outside (a netdev, a test).
//
// Contract: receive() lends frames until release(); their bytes may be changed in place and their
// headroom written. transmit() copies. A leg never blocks; what it can't take it drops and counts.
// Threading: one thread uses a leg at a time (the software NIC's own); counters may be read from
// any. Source of the offload fields: struct virtio_net_hdr, include/uapi/linux/virtio_net.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice::legs {

enum class Gso : std::uint8_t { kNone, kTcp4, kUdp4 };  // TCP over IPv4; UDP_L4 over IPv4

// What a frame still needs before it may go on a wire.
struct Offload {
  bool partial_checksum = false;      // the L4 checksum field holds the pseudo-header sum only
  std::uint16_t checksum_start = 0;   // from the start of the Ethernet header, bytes
  std::uint16_t checksum_offset = 0;  // of the field, behind checksum_start, bytes
  Gso gso = Gso::kNone;
  std::uint16_t gso_size = 0;  // payload bytes a segment
};

struct Frame {
  std::uint8_t* data = nullptr;  // Ethernet header
  std::uint32_t length = 0;      // bytes, at most kMaxFrame
  std::uint32_t headroom = 0;    // writable bytes before data
  Offload offload;
};

inline constexpr std::uint32_t kMaxFrame = 65536 + 18;
inline constexpr std::uint32_t kHeadroom = 64;  // at least this much on received frames

// Dropped: arrived but not handed out (no room, or a form that Frame can't say); handed over but
// not sent (refused by transmit() or the kernel). What is dropped is in no other counter.
struct LegStats {
  std::uint64_t rx_packets = 0, rx_bytes = 0, rx_dropped = 0;
  std::uint64_t tx_packets = 0, tx_bytes = 0, tx_dropped = 0;
};

class Leg {
 public:
  virtual ~Leg() = default;
  // Up to out.size() frames. 0: none wait, and none was lent by this call; those that it refused
  // are counted and given back.
  virtual std::size_t receive(std::span<Frame> out) = 0;
  // Gives back all that receive() has lent.
  virtual void release() = 0;
  // Queues one frame. With accepts_offload() false its Offload must be empty.
  virtual void transmit(const Frame& frame) = 0;
  // Hands what is queued to the kernel. Call once a burst.
  virtual void flush() = 0;
  // Whether it takes frames with partial checksums and GSO (vnet_hdr).
  virtual bool accepts_offload() const = 0;
  // Readable when receive() would return frames; -1 where nothing can be waited for.
  virtual int fd() const = 0;
  // False once the netdev behind it is gone; it then never comes back.
  virtual bool alive() const = 0;
  virtual LegStats stats() const = 0;
};

}  // namespace sluice::legs
