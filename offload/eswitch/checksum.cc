// SPDX-License-Identifier: Apache-2.0
#include "offload/eswitch/checksum.h"

#include "offload/eswitch/bytes.h"

namespace sluice::eswitch {

std::uint64_t sum_bytes(std::span<const std::uint8_t> bytes, std::uint64_t sum) {
  const std::uint8_t* p = bytes.data();
  std::size_t left = bytes.size();
  // 32-bit words into 64 bits: no overflow below 2^32 words.
  for (; left >= 8; left -= 8, p += 8) {
    const auto v = load<std::uint64_t>(p);
    sum += (v & 0xffffffffU) + (v >> 32U);
  }
  if (left >= 4) {
    sum += load<std::uint32_t>(p);
    left -= 4;
    p += 4;
  }
  if (left >= 2) {
    sum += load<std::uint16_t>(p);
    left -= 2;
    p += 2;
  }
  if (left != 0) {
    const std::uint8_t last[2] = {*p, 0};
    sum += load<std::uint16_t>(last);
  }
  return sum;
}

void write_ipv4_checksum(std::uint8_t* ip, std::uint32_t header_length) {
  store<std::uint16_t>(ip + 10, 0);
  store<std::uint16_t>(ip + 10, static_cast<std::uint16_t>(~fold(sum_bytes({ip, header_length}))));
}

std::uint64_t pseudo_header_sum(const std::uint8_t* ip, std::uint8_t proto, std::uint32_t length) {
  return std::uint64_t{load<std::uint32_t>(ip + 12)} + load<std::uint32_t>(ip + 16) + be16(proto) +
         be32(length);
}

void write_l4_checksum(const std::uint8_t* ip, std::uint8_t* l4, std::uint8_t proto,
                       std::uint32_t length) {
  std::uint8_t* field = l4 + (proto == kProtoTcp ? kTcpChecksumOffset : kUdpChecksumOffset);
  store<std::uint16_t>(field, 0);
  auto checksum = static_cast<std::uint16_t>(
      ~fold(sum_bytes({l4, length}, pseudo_header_sum(ip, proto, length))));
  if (proto == kProtoUdp && checksum == 0) checksum = 0xffff;
  store(field, checksum);
}

}  // namespace sluice::eswitch
