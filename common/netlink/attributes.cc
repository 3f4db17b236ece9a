// SPDX-License-Identifier: Apache-2.0
#include "common/netlink/attributes.h"

#include <linux/netlink.h>

#include <algorithm>

namespace sluice::netlink {
namespace {

constexpr std::size_t align(std::size_t size) { return (size + 3U) & ~std::size_t{3}; }
constexpr std::size_t kMaxAttribute = 0xffff;

}  // namespace

std::string Attribute::text() const {
  const auto end = std::find(data.begin(), data.end(), std::uint8_t{0});
  return std::string(data.begin(), end);
}

std::optional<MacAddr> Attribute::mac() const {
  MacAddr mac;
  if (data.size() != mac.bytes.size()) return std::nullopt;
  std::copy(data.begin(), data.end(), mac.bytes.begin());
  return mac;
}

std::optional<Ipv4> Attribute::ipv4() const {
  if (data.size() != 4) return std::nullopt;
  std::uint32_t value = 0;
  for (const auto byte : data) value = value << 8U | byte;
  return Ipv4{value};
}

std::optional<IpAddr> Attribute::ip() const {
  IpAddr ip;
  ip.v6 = data.size() == 16;
  if (!ip.v6 && data.size() != 4) return std::nullopt;
  std::copy(data.begin(), data.end(), ip.bytes.begin());
  return ip;
}

bool AttributeReader::next(Attribute& attribute) {
  const auto header = read_struct<nlattr>(rest_);
  if (!header) {
    // Up to three bytes of padding may follow the last one.
    malformed_ = malformed_ || rest_.size() >= NLA_ALIGNTO;
    return false;
  }
  if (header->nla_len < sizeof(nlattr) || header->nla_len > rest_.size()) {
    malformed_ = true;
    rest_ = {};
    return false;
  }
  attribute.type = header->nla_type & NLA_TYPE_MASK;
  attribute.data = rest_.subspan(sizeof(nlattr), header->nla_len - sizeof(nlattr));
  rest_ = rest_.subspan(std::min(align(header->nla_len), rest_.size()));
  return true;
}

MessageWriter::MessageWriter(std::uint16_t type, std::uint16_t flags) {
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_flags = flags;
  append(&header, sizeof header);
}

void MessageWriter::append(const void* data, std::size_t size) {
  const std::size_t at = bytes_.size();
  bytes_.resize(at + align(size));  // zeros behind the value
  if (size > 0) std::memcpy(bytes_.data() + at, data, size);
  const auto total = static_cast<std::uint32_t>(bytes_.size());
  std::memcpy(bytes_.data(), &total, sizeof total);  // nlmsg_len is the first field
}

void MessageWriter::put(std::uint16_t type, const void* data, std::size_t size) {
  if (size > kMaxAttribute - sizeof(nlattr)) {
    overflow_ = true;
    return;
  }
  nlattr header{};
  header.nla_type = type;
  header.nla_len = static_cast<std::uint16_t>(sizeof(nlattr) + size);
  append(&header, sizeof header);
  append(data, size);
}

void MessageWriter::put_text(std::uint16_t type, std::string_view text) {
  const std::string terminated(text);
  put(type, terminated.c_str(), terminated.size() + 1);
}

void MessageWriter::put_mac(std::uint16_t type, const MacAddr& mac) {
  put(type, mac.bytes.data(), mac.bytes.size());
}

void MessageWriter::put_ipv4(std::uint16_t type, Ipv4 ip) {
  const std::uint8_t wire[4] = {
      static_cast<std::uint8_t>(ip.value >> 24U), static_cast<std::uint8_t>(ip.value >> 16U),
      static_cast<std::uint8_t>(ip.value >> 8U), static_cast<std::uint8_t>(ip.value)};
  put(type, wire, sizeof wire);
}

void MessageWriter::put_ip(std::uint16_t type, const IpAddr& ip) {
  put(type, ip.bytes.data(), ip.width() / 8U);
}

std::size_t MessageWriter::begin(std::uint16_t type) {
  const std::size_t start = bytes_.size();
  put(type, nullptr, 0);
  return start;
}

void MessageWriter::end(std::size_t start) {
  const std::size_t size = bytes_.size() - start;
  if (size > kMaxAttribute) {
    overflow_ = true;
    return;
  }
  const auto length = static_cast<std::uint16_t>(size);
  std::memcpy(bytes_.data() + start, &length, sizeof length);  // nla_len is the first field
}

void MessageWriter::set_sequence(std::uint32_t sequence) {
  std::memcpy(bytes_.data() + offsetof(nlmsghdr, nlmsg_seq), &sequence, sizeof sequence);
}

void MessageWriter::add_flags(std::uint16_t flags) {
  const auto header = read_struct<nlmsghdr>(bytes_);
  const auto all = static_cast<std::uint16_t>(header->nlmsg_flags | flags);
  std::memcpy(bytes_.data() + offsetof(nlmsghdr, nlmsg_flags), &all, sizeof all);
}

std::uint16_t MessageWriter::type() const { return read_struct<nlmsghdr>(bytes_)->nlmsg_type; }

}  // namespace sluice::netlink
