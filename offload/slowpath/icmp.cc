// SPDX-License-Identifier: Apache-2.0
#include "offload/slowpath/icmp.h"

#include <algorithm>
#include <array>

namespace sluice::slowpath {
namespace {

constexpr std::size_t kIpHeader = 20, kIcmpHeader = 8, kTcpHeader = 20;
// RFC 1812 4.3.2.3: as much of the packet as fits in 576 bytes.
constexpr std::size_t kMaxErrorIp = 576;

void write_ip_header(Bytes frame, Ipv4 src, Ipv4 dst, std::uint8_t proto) {
  store16(frame, 12, kEtherIpv4);
  const Bytes ip = frame.subspan(kEthHeader, kIpHeader);
  ip[0] = 0x45;
  store16(ip, 2, static_cast<std::uint16_t>(frame.size() - kEthHeader));
  ip[8] = 64;
  ip[9] = proto;
  store32(ip, 12, src.value);
  store32(ip, 16, dst.value);
  store16(ip, 10, checksum(ip));
}

}  // namespace

Answers::Answers(Forwarder& forwarder, const Clock& clock, Counters& counters,
                 std::uint32_t per_second)
    : forwarder_(forwarder),
      clock_(clock),
      counters_(counters),
      per_second_(std::max<std::uint32_t>(per_second, 1)),
      tokens_(per_second_),
      refilled_(clock.now()) {}

bool Answers::may_answer(const Packet& packet) const {
  if (packet.later_fragment() || packet.icmp_error()) return false;
  if (packet.eth_dst.is_multicast() || packet.eth_src.is_multicast()) return false;
  return !is_no_host(packet.src) && !is_no_host(packet.dst) &&
         !(packet.proto == kIpTcp && (packet.tcp_flags & kRst) != 0);
}

bool Answers::take_token() {
  const TimePoint now = clock_.now();
  const Duration a_token =
      std::chrono::nanoseconds(std::chrono::seconds(1)) / static_cast<std::int64_t>(per_second_);
  const auto earned =
      static_cast<std::uint64_t>(std::max<std::int64_t>((now - refilled_) / a_token, 0));
  if (earned >= per_second_) {
    tokens_ = per_second_;
    refilled_ = now;
  } else {
    tokens_ = std::min(tokens_ + earned, per_second_);
    refilled_ += a_token * static_cast<std::int64_t>(earned);
  }
  if (tokens_ == 0) {
    ++counters_.answers_rate_limited;
    return false;
  }
  --tokens_;
  return true;
}

void Answers::send_error(const Topology& topology, const Packet& packet, const Path& back,
                         Ipv4 from, std::uint8_t type, std::uint8_t code, std::uint16_t mtu) {
  if (!may_answer(packet) || !take_token()) return;
  std::array<std::uint8_t, kEthHeader + kMaxErrorIp> buffer{};
  const std::size_t quoted =
      std::min<std::size_t>(packet.ip_length, kMaxErrorIp - kIpHeader - kIcmpHeader);
  const Bytes frame = Bytes(buffer).first(kEthHeader + kIpHeader + kIcmpHeader + quoted);
  write_ip_header(frame, from, packet.src, kIpIcmp);
  const Bytes icmp = frame.subspan(kEthHeader + kIpHeader);
  icmp[0] = type;
  icmp[1] = code;
  store16(icmp, 6, mtu);
  const Bytes quote = packet.ip().first(quoted);
  std::copy(quote.begin(), quote.end(), icmp.begin() + kIcmpHeader);
  store16(icmp, 2, checksum(icmp));
  ++counters_.icmp_errors_sent;
  forwarder_.originate(topology, frame, back);
}

void Answers::unreachable(const Topology& topology, const Packet& packet, const Path& back,
                          Ipv4 from, std::uint8_t code, std::uint16_t mtu) {
  send_error(topology, packet, back, from, kUnreachable, code, mtu);
}

void Answers::time_exceeded(const Topology& topology, const Packet& packet, const Path& back,
                            Ipv4 from) {
  send_error(topology, packet, back, from, kTimeExceeded, 0, 0);
}

void Answers::reset(const Topology& topology, const Packet& packet, const Path& back) {
  if (packet.proto != kIpTcp || packet.fragment()) return;
  if (!may_answer(packet) || !take_token()) return;
  std::array<std::uint8_t, kEthHeader + kIpHeader + kTcpHeader> buffer{};
  const Bytes frame(buffer);
  write_ip_header(frame, packet.dst, packet.src, kIpTcp);
  const Bytes segment = packet.frame.subspan(packet.l4);
  const Bytes tcp = frame.subspan(kEthHeader + kIpHeader);
  store16(tcp, 0, packet.dst_port);
  store16(tcp, 2, packet.src_port);
  tcp[12] = 5U << 4U;
  if ((packet.tcp_flags & kAck) != 0) {
    store32(tcp, 4, load32(segment, 8));
    tcp[13] = kRst;
  } else {
    const std::size_t payload = segment.size() - static_cast<std::size_t>(segment[12] >> 4U) * 4;
    const std::uint32_t length = static_cast<std::uint32_t>(payload) +
                                 ((packet.tcp_flags & kSyn) != 0 ? 1U : 0U) +
                                 ((packet.tcp_flags & kFin) != 0 ? 1U : 0U);
    store32(tcp, 8, load32(segment, 4) + length);
    tcp[13] = kRst | kAck;
  }
  store16(tcp, 16, checksum(tcp, pseudo_sum(packet.dst, packet.src, kIpTcp, kTcpHeader)));
  ++counters_.resets_sent;
  forwarder_.originate(topology, frame, back);
}

void Answers::echo_reply(const Topology& topology, const Packet& packet, const Path& back) {
  const auto echo = packet.frame.subspan(packet.l4);
  if (checksum(echo) != 0 || is_no_host(packet.src)) {
    ++counters_.invalid;
    return;
  }
  // A fresh header: options of the request aren't echoed.
  std::vector<std::uint8_t> frame(kEthHeader + kIpHeader, 0);
  frame.insert(frame.end(), echo.begin(), echo.end());
  const Bytes bytes(frame);
  write_ip_header(bytes, packet.dst, packet.src, kIpIcmp);
  const Bytes icmp = bytes.subspan(kEthHeader + kIpHeader);
  icmp[0] = kEchoReply;
  store16(icmp, 2, 0);
  store16(icmp, 2, checksum(icmp));
  ++counters_.echo_replies;
  forwarder_.originate(topology, bytes, back);
}

std::optional<Hit> connection_of_error(const ConnectionStore& store, const Packet& error) {
  if (error.fragment()) return std::nullopt;
  const ConstBytes icmp = error.frame.subspan(error.l4);
  const auto inner = quoted_tuple(icmp.subspan(kIcmpHeader));
  // An error goes to whom it quotes. Its checksum is written anew later, so it must be right now.
  if (!inner || inner->src != error.dst || checksum(icmp) != 0) return std::nullopt;
  const auto hit = store.find(reversed(*inner));
  if (!hit) return std::nullopt;
  // The quoted packet answers, as it were, a packet of direction hit->direction, and the error
  // travels the way such a packet does.
  return hit;
}

void translate_error(Packet& error, const Connection& connection, Direction direction) {
  const bool to_client = direction == Direction::kReply;
  const Tuple& seen =
      to_client ? connection.reply : connection.original;  // as the reporter sees it
  const Tuple& sent = to_client ? connection.original : connection.reply;  // as its sender sent it
  // A router on the way keeps its name; the other end speaks as whom the receiver knows.
  const Ipv4 from = error.src == seen.src ? sent.dst : error.src;
  const Bytes icmp = error.frame.subspan(error.l4);
  rewrite(icmp.subspan(kIcmpHeader), sent);
  rewrite_addresses(error.ip(), from, sent.src);
  error.src = from;
  error.dst = sent.src;
  store16(icmp, 2, 0);
  store16(icmp, 2, checksum(icmp));
}

}  // namespace sluice::slowpath
