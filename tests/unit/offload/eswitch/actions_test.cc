// SPDX-License-Identifier: Apache-2.0
// What rules do: NAT and checksums (whole and partial), TTL, META, VXLAN, priorities and jumps.
#include <doctest/doctest.h>

#include "common/base/clock.h"
#include "offload/eswitch/checksum.h"
#include "offload/eswitch/rewrite.h"
#include "offload/eswitch/segment.h"
#include "tests/unit/offload/eswitch/frames.h"

using namespace sluice;
using namespace sluice::eswitch;
using namespace sluice::test;

namespace {

Actions nat(Ipv4 src, std::uint16_t sport, Ipv4 dst, std::uint16_t dport) {
  Actions a = output(1);
  a.ip_src = src.value, a.ip_dst = dst.value;
  a.l4_src = sport, a.l4_dst = dport;
  return a;
}

// Puts the pseudo-header's sum into the checksum field, as the kernel does for CHECKSUM_PARTIAL.
Offload make_partial(Frame& frame, std::uint16_t field) {
  const std::uint32_t length = static_cast<std::uint32_t>(frame.size()) - 34;
  const std::uint16_t sum = fold(pseudo_header_sum(frame.data() + 14, frame[23], length));
  std::memcpy(frame.data() + 34 + field, &sum, 2);
  Offload o;
  o.partial_checksum = true;
  o.checksum_start = 34;
  o.checksum_offset = field;
  return o;
}

Frame completed(Packet& p) {
  Frame out;
  Segmenter segmenter;
  CHECK(segmenter.emit(p, 65535,
                       [&](std::span<std::uint8_t> f) { out.assign(f.begin(), f.end()); }) == 1);
  return out;
}

}  // namespace

TEST_CASE("full NAT there and back gives the packet again, with right checksums in between") {
  SeededRng rng(1);
  for (int i = 0; i < 500; ++i) {
    const auto r = [&] { return static_cast<std::uint32_t>(rng.next()); };
    const auto port = [&] { return static_cast<std::uint16_t>(r()); };
    const IpFields from{Ipv4{r()}, Ipv4{r()}};
    const std::uint16_t sport = port(), dport = port();
    const std::string payload(rng.next() % 100, static_cast<char>(i));
    const bool tcp = i % 2 == 0;
    const Frame frame = tcp ? tcp_frame(kEth, from, sport, dport, kTcpAckFlag, payload)
                            : udp_frame(kEth, from, sport, dport, payload);
    const Ipv4 src{r()}, dst{r()};
    const std::uint16_t to_sport = port(), to_dport = port();
    Pipeline pipeline({});
    REQUIRE(pipeline.insert(0, 0, {}, nat(src, to_sport, dst, to_dport)));
    Owned there(frame);
    run_one(pipeline, there.packet);
    const auto v = view(there.frame());
    REQUIRE(v);
    CHECK(v->src == src);
    CHECK(v->dst == dst);
    CHECK(v->src_port == to_sport);
    CHECK(v->dst_port == to_dport);
    CHECK(v->checksums_ok());
    // Later groups see what this one wrote.
    Packet again = there.packet;
    parse(again);
    CHECK(again.key == there.packet.key);

    Pipeline back({});
    REQUIRE(back.insert(0, 0, {}, nat(from.src, sport, from.dst, dport)));
    Owned reply(there.frame());
    run_one(back, reply.packet);
    CHECK(reply.frame() == frame);
  }
}

TEST_CASE("NAT of a partial checksum keeps it the pseudo-header's sum: completed, it is right") {
  SeededRng rng(2);
  for (int i = 0; i < 200; ++i) {
    const bool tcp = i % 2 == 0;
    const IpFields fields{Ipv4{static_cast<std::uint32_t>(rng.next())},
                          Ipv4{static_cast<std::uint32_t>(rng.next())}};
    Frame frame = tcp ? tcp_frame(kEth, fields, 1, 2, kTcpAckFlag, "partial")
                      : udp_frame(kEth, fields, 1, 2, "partial!");
    const Offload offload = make_partial(frame, tcp ? 16 : 6);
    Pipeline pipeline({});
    REQUIRE(pipeline.insert(0, 0, {},
                            nat(Ipv4{static_cast<std::uint32_t>(rng.next())}, 1234,
                                Ipv4{static_cast<std::uint32_t>(rng.next())}, 4321)));
    Owned o(frame, 0, offload);
    run_one(pipeline, o.packet);
    CHECK(o.packet.offload.partial_checksum);
    const auto v = view(completed(o.packet));
    REQUIRE(v);
    CHECK(v->dst_port == 4321);
    CHECK(v->checksums_ok());
  }
}

TEST_CASE("a UDP checksum of 0 stays 0, and none becomes 0") {
  Frame frame = udp_frame(kEth, kIp, 1, 2);
  frame[40] = frame[41] = 0;
  Pipeline pipeline({});
  REQUIRE(pipeline.insert(0, 0, {}, nat(kIp.dst, 5, kIp.src, 6)));
  Owned o(frame);
  run_one(pipeline, o.packet);
  CHECK(o.frame()[40] == 0);
  CHECK(o.frame()[41] == 0);
  CHECK(view(o.frame())->ip_checksum_ok);
  // Every destination port once: one of them makes the sum come out as 0, which is sent as 0xffff.
  unsigned all_ones = 0;
  for (std::uint32_t port = 0; port < 65536; ++port) {
    Program p;
    p.flags = Program::kL4Dst;
    p.l4_dst = static_cast<std::uint16_t>(port);
    Owned u(udp_frame(kEth, kIp, 1, 2));
    REQUIRE(rewrite(u.packet, p));
    const Frame f = u.frame();
    REQUIRE((f[40] | f[41]) != 0);
    if (f[40] == 0xff && f[41] == 0xff) {
      ++all_ones;
      CHECK(view(f)->l4_checksum_ok);
    }
  }
  CHECK(all_ones > 0);
}

TEST_CASE("of a later fragment and of ICMP only the addresses are rewritten") {
  const Actions a = nat(ip("1.2.3.4"), 7, ip("5.6.7.8"), 8);
  Pipeline pipeline({});
  REQUIRE(pipeline.insert(0, 0, {}, a));
  const Frame whole = udp_frame(kEth, kIp, 1, 2, std::string(64, 'f'));
  auto pieces = fragments_of(whole, 32);
  std::vector<Frame> out;
  for (const Frame& piece : pieces) {
    Owned o(piece);
    run_one(pipeline, o.packet);
    out.push_back(o.frame());
  }
  const auto v = view(reassembled(out));
  REQUIRE(v);
  CHECK(v->src == ip("1.2.3.4"));
  CHECK(v->dst_port == 8);
  CHECK(v->checksums_ok());
  Owned echo(echo_frame(kEth, kIp, true, 99));
  run_one(pipeline, echo.packet);
  const auto e = view(echo.frame());
  REQUIRE(e);
  CHECK(e->dst == ip("5.6.7.8"));
  CHECK(e->icmp_id == 99);
  CHECK(e->checksums_ok());
}

TEST_CASE("TTL: decremented with its checksum; used up, the packet is punted untouched") {
  Pipeline pipeline({});
  Actions a = nat(kIp.dst, 1, kIp.src, 2);
  a.dec_ttl = true;
  REQUIRE(pipeline.insert(0, 0, {}, a));
  IpFields fields = kIp;
  for (const int ttl : {255, 64, 2}) {
    fields.ttl = static_cast<std::uint8_t>(ttl);
    Owned o(udp_frame(kEth, fields, 9, 9));
    run_one(pipeline, o.packet);
    CHECK(o.packet.verdict == Verdict::kOutput);
    CHECK(view(o.frame())->ttl == ttl - 1);
    CHECK(view(o.frame())->checksums_ok());
  }
  for (const int ttl : {1, 0}) {
    fields.ttl = static_cast<std::uint8_t>(ttl);
    const Frame frame = udp_frame(kEth, fields, 9, 9);
    Owned o(frame, 5);
    run_one(pipeline, o.packet);
    CHECK(o.packet.verdict == Verdict::kPunt);
    CHECK(o.packet.out_port == 5);
    CHECK(o.packet.ttl_expired);
    CHECK(o.frame() == frame);
  }
}

TEST_CASE("priorities decide across masks, jumps go forward, META travels") {
  Pipeline pipeline({});
  Match net, host, meta;
  net.mask.ip_dst = 0xffffff00, net.value.ip_dst = kIp.dst.value & 0xffffff00;
  host.mask.ip_dst = 0xffffffff, host.value.ip_dst = kIp.dst.value;
  Actions to_two = jump(2);
  to_two.meta = 0x10000, to_two.meta_mask = 0xf0000;
  REQUIRE(pipeline.insert(0, 4095, {}, output(1)));
  const auto on_net = pipeline.insert(0, 10, net, to_two);
  REQUIRE(on_net);
  REQUIRE(pipeline.insert(0, 20, host, output(3)));
  meta.mask.meta = 0xffffffff, meta.value.meta = 0x10000;
  REQUIRE(pipeline.insert(2, 0, meta, output(4)));
  const auto verdict = [&] {
    Owned o(udp_frame(kEth, kIp, 1, 2));
    run_one(pipeline, o.packet);
    return o.packet.verdict == Verdict::kOutput ? int{o.packet.out_port} : -1;
  };
  CHECK(verdict() == 4);  // the wider mask has the better priority
  REQUIRE(pipeline.erase(*on_net));
  CHECK(verdict() == 3);
  CHECK(pipeline.insert(0, 20, host, output(7)).error().code == Code::kExists);
  REQUIRE(pipeline.insert(0, 19, host, output(8)));
  CHECK(verdict() == 8);
  CHECK(pipeline.insert(3, 0, {}, jump(3)).error().code == Code::kInvalid);
  CHECK(pipeline.insert(3, 0, {}, jump(2)).error().code == Code::kInvalid);
  CHECK(pipeline.insert(16, 0, {}, output(1)).error().code == Code::kInvalid);
  REQUIRE(pipeline.insert(0, 1, {}, jump(9)));
  CHECK(verdict() == -1);  // nothing in group 9: punted
}

TEST_CASE("counters count the frame as it came in; ids of rules that are gone are refused") {
  Pipeline pipeline({});
  Actions a = output(1);
  a.decap = true;
  const auto rule = pipeline.insert(0, 0, {}, a);
  REQUIRE(rule);
  const Frame inner = udp_frame(kEth, kIp, 1, 2);
  const Frame outer = vxlan_frame(kEth, kIp, 1, inner);
  for (int i = 0; i < 3; ++i) {
    Owned o(outer);
    run_one(pipeline, o.packet);
    CHECK(o.frame() == inner);
  }
  CHECK(pipeline.query(*rule, true)->packets == 3);
  CHECK(pipeline.query(*rule)->bytes == 0);
  Owned o(outer);
  run_one(pipeline, o.packet);
  CHECK(pipeline.query(*rule)->bytes == outer.size());
  REQUIRE(pipeline.erase(*rule));
  CHECK(pipeline.erase(*rule).error().code == Code::kNotFound);
  CHECK(pipeline.query(*rule).error().code == Code::kNotFound);
  const auto next = pipeline.insert(0, 0, {}, a);
  REQUIRE(next);
  CHECK(*next != *rule);
  CHECK(pipeline.query(*next)->packets == 0);
  pipeline.flush();
  CHECK(pipeline.size() == 0);
  CHECK(pipeline.query(*next).error().code == Code::kNotFound);
}

TEST_CASE(
    "VXLAN: what goes in comes out, each flow has its own source port, bad tunnels are punted") {
  Tunnel tunnel{mac("02:00:00:00:01:01"), mac("02:00:00:00:01:02"), ip("192.168.0.1"),
                ip("192.168.0.2"), 0xabcdef};
  Pipeline out({}), in({});
  Actions encap = output(0), decap = output(2);
  encap.encap = tunnel;
  decap.decap = true;
  REQUIRE(out.insert(0, 0, {}, encap));
  REQUIRE(in.insert(0, 0, {}, decap));
  std::uint16_t ports[2] = {};
  for (std::uint16_t i = 0; i < 20; ++i) {
    const Frame frame =
        tcp_frame(kEth, kIp, static_cast<std::uint16_t>(1000 + i / 10), 80, kTcpAckFlag, "t");
    Owned o(frame);
    const Pipeline::Burst burst(out);
    out.run(&o.packet, 1);
    const Frame wire = completed(o.packet);
    const auto v = view(wire);
    REQUIRE(v);
    CHECK(v->checksums_ok());
    CHECK(v->ttl == 64);
    CHECK((wire[40] | wire[41]) == 0);  // outer UDP checksum
    if (i % 10 == 0) ports[i / 10] = v->src_port;
    CHECK(v->src_port == ports[i / 10]);
    const auto x = vxlan_view(wire);
    REQUIRE(x);
    CHECK(x->vni == 0xabcdef);
    Owned back(wire);
    run_one(in, back.packet);
    CHECK(back.packet.verdict == Verdict::kOutput);
    CHECK(back.frame() == frame);
  }
  CHECK(ports[0] != ports[1]);
  Frame bad = vxlan_frame(kEth, kIp, 1, udp_frame(kEth, kIp, 1, 2));
  bad[39] = 20;  // UDP length too short for an inner Ethernet header
  bad[38] = 0;
  Owned b(bad);
  run_one(in, b.packet);
  CHECK(b.packet.verdict == Verdict::kPunt);
  CHECK(out.insert(0, 1, {},
                   [&] {
                     Actions a = encap;
                     a.fate = Fate::kPunt;
                     return a;
                   }())
            .error()
            .code == Code::kInvalid);
}

TEST_CASE(
    "TCP segmentation: segments are MTU-size, right in every header, and join to the original") {
  for (const std::size_t size : {1U, 1448U, 1449U, 2896U, 65000U}) {
    std::string payload(size, '\0');
    for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<char>(i * 31 >> 3U);
    Frame frame = tcp_frame(kEth, kIp, 1, 2, kTcpAckFlag | kTcpPshFlag | kTcpFinFlag | 0x80,
                            payload, 0xfffffff0);
    Offload offload = make_partial(frame, 16);
    offload.gso = Gso::kTcp4;
    offload.gso_size = 1448;
    for (const bool tunnelled : {false, true}) {
      Owned o(frame, 0, offload);
      const Encap encap = make_encap({kEth.src, kEth.dst, ip("192.168.0.1"), ip("192.168.0.2"), 9});
      if (tunnelled) o.packet.encap = &encap;
      Segmenter segmenter;
      std::string joined;
      unsigned n = 0;
      const std::uint32_t made = segmenter.emit(o.packet, 1500, [&](std::span<std::uint8_t> bytes) {
        Frame out(bytes.begin(), bytes.end());
        CHECK(out.size() <= 1514);
        if (tunnelled) {
          CHECK(view(out)->checksums_ok());
          const auto x = vxlan_view(out);
          REQUIRE(x);
          out = x->inner;
        }
        const auto v = view(out);
        REQUIRE(v);
        CHECK(v->checksums_ok());
        CHECK(v->tcp_seq == 0xfffffff0U + static_cast<std::uint32_t>(joined.size()));
        joined.append(v->payload.begin(), v->payload.end());
        const bool last = joined.size() == size;
        CHECK(((v->tcp_flags & (kTcpFinFlag | kTcpPshFlag)) != 0) == last);
        CHECK(((v->tcp_flags & 0x80) != 0) == (n == 0));
        CHECK(out[18] * 256 + out[19] == ((0x1234 + n) & 0xffff));
        ++n;
      });
      CHECK(made == n);
      CHECK(joined == payload);
    }
  }
}

TEST_CASE("UDP segmentation keeps datagrams; contradictory offloads make nothing") {
  Frame frame = udp_frame(kEth, kIp, 1, 2, std::string(2500, 'u'));
  Offload offload = make_partial(frame, 6);
  offload.gso = Gso::kUdp4;
  offload.gso_size = 1000;
  Segmenter segmenter;
  std::vector<std::size_t> sizes;
  Owned o(frame, 0, offload);
  CHECK(segmenter.emit(o.packet, 1500, [&](std::span<std::uint8_t> bytes) {
    const auto v = view(Frame(bytes.begin(), bytes.end()));
    REQUIRE(v);
    CHECK(v->checksums_ok());
    sizes.push_back(v->payload.size());
  }) == 3);
  CHECK(sizes == std::vector<std::size_t>{1000, 1000, 500});

  const auto nothing = [&](const Offload& wrong) {
    Owned w(frame, 0, wrong);
    return segmenter.emit(w.packet, 1500, [](std::span<std::uint8_t>) {});
  };
  Offload wrong = offload;
  wrong.gso_size = 0;
  CHECK(nothing(wrong) == 0);
  wrong.gso_size = 1;  // more segments than any sender makes
  CHECK(nothing(wrong) == 0);
  wrong = offload;
  wrong.gso = Gso::kTcp4;
  CHECK(nothing(wrong) == 0);
  wrong = {};
  wrong.partial_checksum = true;
  wrong.checksum_start = 65535;
  CHECK(nothing(wrong) == 0);
  wrong.checksum_start = static_cast<std::uint16_t>(frame.size() - 1);
  CHECK(nothing(wrong) == 0);
}
