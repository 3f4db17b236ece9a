// SPDX-License-Identifier: Apache-2.0
#include "offload/slowpath/packet.h"

#include <doctest/doctest.h>

#include "tests/support/packet_builder.h"

namespace sluice::slowpath {
namespace {

using test::ip;

const test::Eth kEth{test::mac("02:00:00:00:00:01"), test::mac("02:00:00:00:00:02")};
const test::IpFields kFields{ip("10.0.0.1"), ip("10.0.0.2")};

TEST_CASE("a frame shorter than any of its lengths says is refused") {
  const auto tcp = test::tcp_frame(kEth, kFields, 1, 2, test::kTcpSynFlag, "payload");
  const auto udp = test::udp_frame(kEth, kFields, 1, 2);
  for (const auto& whole : {tcp, udp}) {
    auto copy = whole;
    CHECK(parse_ipv4(copy).has_value());
    for (std::size_t n = 0; n < whole.size(); ++n) {
      CAPTURE(n);
      test::Frame cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
      CHECK_FALSE(parse_ipv4(cut).has_value());
    }
  }
}

TEST_CASE("padding behind the IP packet is cut off") {
  auto frame = test::udp_frame(kEth, kFields, 1, 2, "x");
  const std::size_t length = frame.size();
  frame.resize(60);
  const auto packet = parse_ipv4(frame);
  REQUIRE(packet.has_value());
  CHECK(packet->frame.size() == length);
}

TEST_CASE("inconsistent headers are refused") {
  auto frame = test::tcp_frame(kEth, kFields, 1, 2, test::kTcpSynFlag);
  SUBCASE("IP header length below 20") { frame[14] = 0x44; }
  SUBCASE("IP header length beyond the packet") { frame[14] = 0x4f; }
  SUBCASE("IP version") { frame[14] = 0x65; }
  SUBCASE("TCP header length below 20") { frame[46] = 0x40; }
  SUBCASE("TCP header length beyond the segment") { frame[46] = 0xf0; }
  SUBCASE("source port 0") { frame[34] = frame[35] = 0; }
  SUBCASE("TCP fragment at offset 1") { frame[21] = 1; }
  CHECK_FALSE(parse_ipv4(frame).has_value());
}

TEST_CASE("a rewrite keeps right checksums right and wrong ones wrong") {
  const Tuple to{ip("192.168.77.9"), ip("1.2.3.4"), 4242, 9, kIpTcp, {}};
  auto good = test::tcp_frame(kEth, kFields, 1, 2, test::kTcpAckFlag, "odd");
  auto bad = good;
  bad[bad.size() - 1] ^= 0x55;
  rewrite(parse_ipv4(good)->ip(), to);
  rewrite(parse_ipv4(bad)->ip(), to);
  const auto seen = test::view(good);
  CHECK(seen->checksums_ok());
  CHECK(seen->src == to.src);
  CHECK(seen->dst == to.dst);
  CHECK(seen->src_port == 4242);
  CHECK(seen->dst_port == 9);
  CHECK_FALSE(test::view(bad)->l4_checksum_ok);
}

TEST_CASE("UDP without a checksum stays without, and one that comes out 0 is sent as ffff") {
  auto none = test::udp_frame(kEth, kFields, 1, 2);
  none[40] = none[41] = 0;
  rewrite(parse_ipv4(none)->ip(), {ip("9.9.9.9"), ip("8.8.8.8"), 5, 6, kIpUdp, {}});
  CHECK(none[40] == 0);
  CHECK(none[41] == 0);
  for (int port = 1; port < 65536; ++port) {
    auto frame = test::udp_frame(kEth, kFields, 1, 2);
    rewrite(parse_ipv4(frame)->ip(),
            {ip("9.9.9.9"), ip("8.8.8.8"), static_cast<std::uint16_t>(port), 6, kIpUdp, {}});
    const bool zero = frame[40] == 0 && frame[41] == 0;
    if (zero || !test::view(frame)->checksums_ok()) FAIL("port " << port);
  }
}

TEST_CASE("decrementing the TTL keeps the header checksum right") {
  for (int ttl = 1; ttl < 256; ++ttl) {
    test::IpFields fields = kFields;
    fields.ttl = static_cast<std::uint8_t>(ttl);
    auto frame = test::udp_frame(kEth, fields, 1, 2);
    decrement_ttl(parse_ipv4(frame)->ip());
    CHECK(test::view(frame)->ip_checksum_ok);
    CHECK(test::view(frame)->ttl == ttl - 1);
  }
}

TEST_CASE("an echo's tuple is the reverse of its reply's") {
  auto request = test::echo_frame(kEth, kFields, true, 77);
  auto reply = test::echo_frame(kEth, {kFields.dst, kFields.src}, false, 77);
  CHECK(tuple_of(*parse_ipv4(request)) == reversed(*tuple_of(*parse_ipv4(reply))));
}

}  // namespace
}  // namespace sluice::slowpath
