// SPDX-License-Identifier: Apache-2.0
// The parser on hostile bytes, and every field that a rule can match.
#include <doctest/doctest.h>

#include <functional>

#include "tests/unit/offload/eswitch/frames.h"

using namespace sluice;
using namespace sluice::eswitch;
using namespace sluice::test;

namespace {

bool matches(const Match& match, const Frame& frame, std::uint16_t in_port = 3,
             std::uint32_t meta = 0) {
  Pipeline pipeline({});
  REQUIRE(pipeline.insert(0, 0, match, output(9)));
  Owned o(frame, in_port);
  eswitch::parse(o.packet, meta);
  run_one(pipeline, o.packet);
  return o.packet.verdict == Verdict::kOutput;
}

Frame tagged(const Frame& frame, std::uint16_t tci) {
  Frame out(frame.begin(), frame.begin() + 12);
  for (const int byte : {0x81, 0x00, tci >> 8, tci & 0xff}) {
    out.push_back(static_cast<std::uint8_t>(byte));
  }
  out.insert(out.end(), frame.begin() + 12, frame.end());
  return out;
}

struct FieldCase {
  const char* name;
  Frame frame;
  std::function<void(Fields& value, Fields& mask)> right;  // matches the frame
  std::function<void(Fields& value)> wrong;                // and so changed it doesn't
};

const Frame kTcp = tcp_frame(kEth, kIp, 1000, 80, kTcpAckFlag | kTcpPshFlag, "x");

}  // namespace

TEST_CASE("each field is matched, and only by the bits of its mask") {
  const FieldCase cases[] = {
      {"in_port", kTcp, [](Fields& v, Fields& m) { v.in_port = 3, m.in_port = 0xffff; },
       [](Fields& v) { v.in_port = 4; }},
      {"eth_src", kTcp,
       [](Fields& v, Fields& m) { v.eth_src = kEth.src, m.eth_src.bytes.fill(0xff); },
       [](Fields& v) { v.eth_src.bytes[5] ^= 1; }},
      {"eth_dst", kTcp,
       [](Fields& v, Fields& m) { v.eth_dst = kEth.dst, m.eth_dst.bytes.fill(0xff); },
       [](Fields& v) { v.eth_dst.bytes[0] ^= 4; }},
      {"eth_type", arp_request_frame(kEth.src, kIp.src, kIp.dst),
       [](Fields& v, Fields& m) { v.eth_type = 0x0806, m.eth_type = 0xffff; },
       [](Fields& v) { v.eth_type = 0x0800; }},
      {"vlan", tagged(kTcp, 0x2064),
       [](Fields& v, Fields& m) { v.vlan_tci = 0x64, m.vlan_tci = 0xfff; },
       [](Fields& v) { v.vlan_tci = 0x65; }},
      {"ip behind a tag", tagged(kTcp, 5),
       [](Fields& v, Fields& m) { v.ip_dst = kIp.dst.value, m.ip_dst = 0xffffffff; },
       [](Fields& v) { v.ip_dst += 1; }},
      {"ip_src", kTcp, [](Fields& v, Fields& m) { v.ip_src = 0x0a000000, m.ip_src = 0xffffff00; },
       [](Fields& v) { v.ip_src = 0x0a000100; }},
      {"ip_dst", kTcp,
       [](Fields& v, Fields& m) { v.ip_dst = kIp.dst.value, m.ip_dst = 0xffffffff; },
       [](Fields& v) { v.ip_dst ^= 1; }},
      {"proto", kTcp, [](Fields& v, Fields& m) { v.proto = 6, m.proto = 0xff; },
       [](Fields& v) { v.proto = 17; }},
      {"l4_src", kTcp, [](Fields& v, Fields& m) { v.l4_src = 1000, m.l4_src = 0xffff; },
       [](Fields& v) { v.l4_src = 1001; }},
      {"l4_dst block", kTcp, [](Fields& v, Fields& m) { v.l4_dst = 64, m.l4_dst = 0xffc0; },
       [](Fields& v) { v.l4_dst = 128; }},
      {"tcp_flags", kTcp, [](Fields& v, Fields& m) { v.tcp_flags = 0, m.tcp_flags = 7; },
       [](Fields& v) { v.tcp_flags = 2; }},
      {"icmp_type", echo_frame(kEth, kIp, true, 7),
       [](Fields& v, Fields& m) { v.icmp_type = 8, m.icmp_type = 0xff; },
       [](Fields& v) { v.icmp_type = 0; }},
      {"icmp_code", icmp_error_frame(kEth, kIp, 3, 4, ip_of(kTcp, 28)),
       [](Fields& v, Fields& m) { v.icmp_code = 4, m.icmp_code = 0xff; },
       [](Fields& v) { v.icmp_code = 1; }},
      {"vni", vxlan_frame(kEth, kIp, 0xabcdef, kTcp),
       [](Fields& v, Fields& m) { v.vni = 0xabcdef, m.vni = 0xffffff; },
       [](Fields& v) { v.vni = 0xabcdee; }},
      {"meta", kTcp, [](Fields& v, Fields& m) { v.meta = 0x20000, m.meta = 0xf0000; },
       [](Fields& v) { v.meta = 0x10000; }},
  };
  for (const FieldCase& c : cases) {
    INFO(c.name);
    Match match;
    c.right(match.value, match.mask);
    CHECK(matches(match, c.frame, 3, 0x20007));
    c.wrong(match.value);
    CHECK_FALSE(matches(match, c.frame, 3, 0x20007));
  }
}

TEST_CASE("ports, flags and ICMP fields never match a fragment behind the first") {
  const auto pieces = fragments_of(udp_frame(kEth, kIp, 53, 53, std::string(64, 'z')), 24);
  REQUIRE(pieces.size() >= 3);
  Match ports;
  ports.mask.proto = 0xff, ports.value.proto = 17;
  ports.mask.l4_dst = 0xffff, ports.value.l4_dst = 53;
  CHECK(matches(ports, pieces[0]));
  CHECK_FALSE(matches(ports, pieces[1]));
  // Whatever its payload says: 0 is what ports are where there are none.
  ports.value.l4_dst = 0;
  CHECK_FALSE(matches(ports, pieces[1]));
  Match proto;
  proto.mask.proto = 0xff, proto.value.proto = 17;
  CHECK(matches(proto, pieces[1]));
  Match fragment;
  fragment.value.is_fragment = fragment.mask.is_fragment = true;
  CHECK(matches(fragment, pieces[0]));
  CHECK(matches(fragment, pieces[1]));
  CHECK_FALSE(matches(fragment, kTcp));
  fragment.value.is_fragment = false;
  CHECK(matches(fragment, kTcp));
}

TEST_CASE("a match on an IP field or on ports implies IPv4, and TCP or UDP") {
  Match zero_ports;  // value 0, mask all: ICMP and ARP have no ports
  zero_ports.mask.l4_src = 0xffff;
  CHECK_FALSE(matches(zero_ports, echo_frame(kEth, kIp, true, 0)));
  CHECK_FALSE(matches(zero_ports, arp_request_frame(kEth.src, kIp.src, kIp.dst)));
  Match zero_ip;
  zero_ip.mask.ip_dst = 0xffffffff;
  CHECK_FALSE(matches(zero_ip, arp_request_frame(kEth.src, kIp.src, kIp.dst)));
  Match zero_vni;
  zero_vni.mask.vni = 0xffffff;
  CHECK_FALSE(matches(zero_vni, kTcp));
  Match both;
  both.mask.l4_src = 1;
  both.mask.icmp_type = 1;
  CHECK(pack(both).error().code == Code::kInvalid);
}

TEST_CASE("cut anywhere, a frame parses to what is whole of it") {
  const Frame frames[] = {tagged(kTcp, 1), kTcp, udp_frame(kEth, kIp, 1, 2),
                          echo_frame(kEth, kIp, true, 1), vxlan_frame(kEth, kIp, 5, kTcp)};
  for (const Frame& frame : frames) {
    for (std::size_t length = 0; length <= frame.size(); ++length) {
      // A heap block of exactly this length: a sanitizer sees any byte read behind it.
      const std::unique_ptr<std::uint8_t[]> exact(new std::uint8_t[length]);
      std::copy_n(frame.begin(), length, exact.get());
      Packet p;
      p.data = exact.get();
      p.length = static_cast<std::uint32_t>(length);
      parse(p);
      // The IP total length says that bytes are missing, so nothing of IP counts.
      const bool whole = length == frame.size();
      CHECK((p.kind != Kind::kOther) == whole);
      CHECK(((p.key.word[0] & key::kPorts) != 0) == (whole && p.kind != Kind::kIcmp));
    }
  }
}

TEST_CASE("headers that contradict themselves are treated as absent") {
  Match any_ip;
  any_ip.value.is_ipv4 = any_ip.mask.is_ipv4 = true;
  Match port;
  port.mask.l4_dst = 0xffff, port.value.l4_dst = 80;
  Frame bad = kTcp;
  bad[14] = 0x65;  // version 6
  CHECK_FALSE(matches(any_ip, bad));
  bad[14] = 0x44;  // header of 16 bytes
  CHECK_FALSE(matches(any_ip, bad));
  bad = kTcp;
  bad[16] = 0xff;  // total length beyond the frame
  CHECK_FALSE(matches(any_ip, bad));
  bad = kTcp;
  bad[17] = 19;  // total length below the header
  CHECK_FALSE(matches(any_ip, bad));
  bad = kTcp;
  bad[14 + 20 + 12] = 0x40;  // TCP header of 16 bytes
  CHECK(matches(any_ip, bad));
  CHECK_FALSE(matches(port, bad));
  bad[14 + 20 + 12] = 0xf0;  // TCP header longer than the packet
  CHECK_FALSE(matches(port, bad));
  // Options move the ports.
  Frame options = kTcp;
  options[14] = 0x46;
  options[17] = static_cast<std::uint8_t>(options[17] + 4);
  options.insert(options.begin() + 34, {1, 1, 1, 1});
  CHECK(matches(port, options));
  // Padding is no payload.
  Frame padded = kTcp;
  padded.resize(200, 0xee);
  CHECK(matches(port, padded));
}
