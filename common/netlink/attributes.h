// SPDX-License-Identifier: Apache-2.0
// Netlink attributes (type, length, value; aligned to 4): a bounds-checked reader and a writer.
//
// Contract: nothing here trusts a length from the bytes; a reader never leaves its span.
// Source: include/uapi/linux/netlink.h (struct nlattr, NLA_*).
#pragma once

#include <concepts>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "common/base/addr.h"
#include "common/base/ip.h"
#include "common/base/result.h"

namespace sluice::netlink {

using Bytes = std::span<const std::uint8_t>;

// The first bytes as a kernel struct; nothing when there are too few.
template <class T>
requires std::is_trivially_copyable_v<T> std::optional<T> read_struct(Bytes bytes) {
  if (bytes.size() < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

struct Attribute {
  std::uint16_t type = 0;  // without NLA_F_NESTED and NLA_F_NET_BYTEORDER
  Bytes data;

  // Nothing when the length does not fit. Longer data is read from its front, as the kernel may
  // extend an attribute.
  template <std::integral T>
  std::optional<T> number() const {
    return read_struct<T>(data);
  }
  std::string text() const;            // up to the first zero byte or the end
  std::optional<MacAddr> mac() const;  // exactly 6 bytes
  std::optional<Ipv4> ipv4() const;    // exactly 4 bytes, in the order of the wire
  std::optional<IpAddr> ip() const;    // 4 or 16 bytes, likewise
};

class AttributeReader {
 public:
  explicit AttributeReader(Bytes bytes) : rest_(bytes) {}
  // False at the end, and at the first attribute whose length is impossible.
  bool next(Attribute& attribute);
  bool malformed() const { return malformed_; }

 private:
  Bytes rest_;
  bool malformed_ = false;
};

// One message: header, a fixed struct, attributes. A value that can't be expressed (longer than 64
// KiB) makes the whole message invalid instead of being cut: see overflow().
class MessageWriter {
 public:
  MessageWriter(std::uint16_t type, std::uint16_t flags);

  template <class T>
  requires std::is_trivially_copyable_v<T>
  void put_struct(const T& value) { append(&value, sizeof value); }
  void put(std::uint16_t type, const void* data, std::size_t size);
  template <std::integral T>
  void put_number(std::uint16_t type, T value) {
    put(type, &value, sizeof value);
  }
  void put_text(std::uint16_t type, std::string_view text);  // with a final zero byte
  void put_mac(std::uint16_t type, const MacAddr& mac);
  void put_ipv4(std::uint16_t type, Ipv4 ip);
  void put_ip(std::uint16_t type, const IpAddr& ip);

  // begin() ... end(begin's value). `type` with NLA_F_NESTED where the kernel wants that.
  std::size_t begin(std::uint16_t type);
  void end(std::size_t start);

  void set_sequence(std::uint32_t sequence);
  void add_flags(std::uint16_t flags);
  std::uint16_t type() const;
  bool overflow() const { return overflow_; }
  Bytes bytes() const { return bytes_; }

 private:
  void append(const void* data, std::size_t size);

  std::vector<std::uint8_t> bytes_;
  bool overflow_ = false;
};

}  // namespace sluice::netlink
