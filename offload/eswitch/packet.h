// SPDX-License-Identifier: Apache-2.0
// A frame on its way through the switch: its bytes, what was parsed of it, and what becomes of it.
//
// Contract: `data` to `data + length` is readable and writable, and `headroom` bytes before it are
// writable. Nothing else of the frame is trusted: parse() checks every length against these.
#pragma once

#include <array>
#include <cstdint>

namespace sluice::eswitch {

// The words that tables match on, in the order of the wire where a field has one (see key.h).
inline constexpr unsigned kKeyWords = 6;
struct Key {
  std::array<std::uint64_t, kKeyWords> word{};
  bool operator==(const Key&) const = default;
};

enum class Gso : std::uint8_t { kNone, kTcp4, kUdp4 };

// What the sender left to the wire's end (struct virtio_net_hdr's fields, from `data`).
struct Offload {
  bool partial_checksum = false;  // the L4 checksum field holds the pseudo-header sum only
  Gso gso = Gso::kNone;
  std::uint16_t checksum_start = 0;   // from the start of the Ethernet header
  std::uint16_t checksum_offset = 0;  // of the field, behind checksum_start
  std::uint16_t gso_size = 0;         // payload bytes a segment
};

// The innermost header that could be read whole. A fragment behind the first is kIpv4.
enum class Kind : std::uint8_t { kOther, kIpv4, kTcp, kUdp, kIcmp };

enum class Verdict : std::uint8_t { kPunt, kOutput, kDrop };

struct Encap;

struct alignas(64) Packet {
  // Set by the owner of the frame.
  std::uint8_t* data = nullptr;
  std::uint32_t length = 0;
  std::uint32_t headroom = 0;
  std::uint16_t in_port = 0;
  Offload offload;
  void* user = nullptr;

  // Set by parse(), kept true by the actions.
  Kind kind = Kind::kOther;
  std::uint16_t l3 = 0;  // offsets from data
  std::uint16_t l4 = 0;
  std::uint32_t l3_end = 0;       // end of the IP packet (behind it is padding)
  std::uint32_t wire_length = 0;  // as it came in: what counters count
  Key key;

  // Set by the pipeline.
  Verdict verdict = Verdict::kPunt;
  bool ttl_expired = false;      // punted by DecTtl
  std::uint16_t out_port = 0;    // kOutput: where to; kPunt: whose representor
  const Encap* encap = nullptr;  // still to be put around each segment; see emit() in segment.h
};

inline constexpr std::uint32_t kMaxFrameLength = 65536 + 18;

}  // namespace sluice::eswitch
