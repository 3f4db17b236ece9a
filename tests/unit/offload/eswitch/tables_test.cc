// SPDX-License-Identifier: Apache-2.0
// The tables against a naive reference, growing, and under a reader of another thread.
#include <doctest/doctest.h>

#include <atomic>
#include <map>
#include <optional>
#include <thread>

#include "common/base/clock.h"
#include "tests/unit/offload/eswitch/frames.h"

using namespace sluice;
using namespace sluice::eswitch;
using namespace sluice::test;

namespace {

// A rule as a list keeps it, and what a packet must have to match: the definition, word for word.
struct ListedRule {
  std::uint16_t priority;
  Match match;
  std::uint16_t port;
  RuleId id;
};

struct Subject {
  Fields fields;
  Frame frame;
};

bool list_matches(const Match& m, const Fields& f) {
  const auto same = [](std::uint64_t value, std::uint64_t mask, std::uint64_t field) {
    return ((value ^ field) & mask) == 0;
  };
  return same(m.value.in_port, m.mask.in_port, f.in_port) &&
         same(m.value.ip_src, m.mask.ip_src, f.ip_src) &&
         same(m.value.ip_dst, m.mask.ip_dst, f.ip_dst) &&
         same(m.value.proto, m.mask.proto, f.proto) &&
         same(m.value.l4_src, m.mask.l4_src, f.l4_src) &&
         same(m.value.l4_dst, m.mask.l4_dst, f.l4_dst) && same(m.value.meta, m.mask.meta, 0);
}

// Few values, so that rules and packets meet.
Fields random_fields(Rng& rng) {
  Fields f;
  f.in_port = static_cast<std::uint16_t>(rng.next() % 3);
  f.ip_src = 0x0a000000 + static_cast<std::uint32_t>(rng.next() % 4);
  f.ip_dst = 0x0a000100 + static_cast<std::uint32_t>(rng.next() % 6);
  f.proto = rng.next() % 2 == 0 ? 6 : 17;
  f.l4_src = static_cast<std::uint16_t>(1000 + rng.next() % 3);
  f.l4_dst = static_cast<std::uint16_t>(80 + rng.next() % 5);
  return f;
}

Match random_match(Rng& rng) {
  Match m;
  m.value = random_fields(rng);
  const std::uint64_t which = rng.next();
  if ((which & 1U) != 0) m.mask.in_port = 0xffff;
  if ((which & 2U) != 0) m.mask.ip_src = (which & 256U) != 0 ? 0xffffffff : 0xfffffffe;
  if ((which & 4U) != 0) m.mask.ip_dst = (which & 512U) != 0 ? 0xffffffff : 0xfffffffc;
  if ((which & 8U) != 0) m.mask.proto = 0xff;
  if ((which & 16U) != 0) m.mask.l4_src = 0xffff;
  if ((which & 32U) != 0) m.mask.l4_dst = (which & 1024U) != 0 ? 0xffff : 0xfffe;
  return m;
}

Subject random_subject(Rng& rng) {
  Subject s;
  s.fields = random_fields(rng);
  const IpFields ip_fields{Ipv4{s.fields.ip_src}, Ipv4{s.fields.ip_dst}};
  s.frame = s.fields.proto == 6
                ? tcp_frame(kEth, ip_fields, s.fields.l4_src, s.fields.l4_dst, kTcpAckFlag)
                : udp_frame(kEth, ip_fields, s.fields.l4_src, s.fields.l4_dst);
  return s;
}

Match to_host(std::uint32_t ip_dst) {
  Match m;
  m.mask.ip_dst = 0xffffffff;
  m.value.ip_dst = ip_dst;
  return m;
}

}  // namespace

TEST_CASE("random rules, masks and packets: tables and a list agree") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    INFO(seed);
    SeededRng rng(seed);
    Pipeline pipeline({0, seed});
    std::vector<ListedRule> list;
    for (std::uint16_t step = 0; step < 300; ++step) {
      if (rng.next() % 3 != 0 || list.empty()) {
        // Each rule its own priority: which of two equal ones wins is not defined.
        const auto priority = static_cast<std::uint16_t>(step * 7 % 4096);
        const auto port = static_cast<std::uint16_t>(step % 60);
        const Match match = random_match(rng);
        const auto id = pipeline.insert(0, priority, match, output(port));
        REQUIRE(id);
        list.push_back({priority, match, port, *id});
      } else {
        const std::size_t at = rng.next() % list.size();
        REQUIRE(pipeline.erase(list[at].id));
        list.erase(list.begin() + static_cast<std::ptrdiff_t>(at));
      }
      if (step % 10 != 0) continue;
      std::vector<std::unique_ptr<Owned>> owned;
      std::vector<Packet> burst;
      std::vector<std::optional<std::uint16_t>> expected;
      for (unsigned i = 0; i < kBurst; ++i) {
        const Subject s = random_subject(rng);
        owned.push_back(std::make_unique<Owned>(s.frame, s.fields.in_port));
        burst.push_back(owned.back()->packet);
        const ListedRule* best = nullptr;
        for (const ListedRule& rule : list) {
          if (list_matches(rule.match, s.fields) &&
              (best == nullptr || rule.priority < best->priority)) {
            best = &rule;
          }
        }
        expected.push_back(best == nullptr ? std::nullopt : std::optional(best->port));
      }
      const Pipeline::Burst guard(pipeline);
      pipeline.run(burst.data(), kBurst);
      for (unsigned i = 0; i < kBurst; ++i) {
        CHECK((burst[i].verdict == Verdict::kOutput) == expected[i].has_value());
        if (expected[i]) CHECK(burst[i].out_port == *expected[i]);
      }
    }
    CHECK(pipeline.size() == list.size());
  }
}

TEST_CASE("a table grows far beyond its beginnings, with and without a presize") {
  for (const std::uint32_t presize : {0U, 100000U}) {
    Pipeline pipeline({presize, 7});
    constexpr std::uint32_t kRules = 60000;
    std::vector<RuleId> ids;
    for (std::uint32_t i = 0; i < kRules; ++i) {
      const auto id = pipeline.insert(0, 0, to_host(i), output(static_cast<std::uint16_t>(i % 60)));
      REQUIRE(id);
      ids.push_back(*id);
    }
    CHECK(pipeline.size() == kRules);
    const auto out = [&](std::uint32_t i) {
      Owned o(udp_frame(kEth, {kIp.src, Ipv4{i}}, 1, 2));
      run_one(pipeline, o.packet);
      return o.packet.verdict == Verdict::kOutput ? int{o.packet.out_port} : -1;
    };
    for (std::uint32_t i = 0; i < kRules; i += 97) CHECK(out(i) == static_cast<int>(i % 60));
    CHECK(out(kRules) == -1);
    for (std::uint32_t i = 0; i < kRules; i += 2) REQUIRE(pipeline.erase(ids[i]));
    for (std::uint32_t i = 0; i < 2000; ++i) {
      CHECK(out(i) == (i % 2 == 0 ? -1 : static_cast<int>(i % 60)));
    }
  }
}

TEST_CASE("rules come and go while another thread forwards: no packet meets half a rule") {
  // Destination i is sent to port i % 50 with source address i, by whatever rule there is for it. A
  // reader that saw a mixture of two rules would find another pair.
  Pipeline pipeline({0, 3});
  constexpr std::uint32_t kHosts = 512;
  constexpr int kRounds = 60;
  const auto actions = [](std::uint32_t i) {
    Actions a = output(static_cast<std::uint16_t>(i % 50));
    a.ip_src = i;
    return a;
  };
  std::atomic<bool> stop{false};
  std::uint64_t wrong = 0;
  std::atomic<std::uint64_t> bursts{0};
  std::thread reader([&] {
    std::uint32_t next = 0;
    std::vector<Frame> frames;
    for (std::uint32_t i = 0; i < kHosts; ++i) {
      frames.push_back(udp_frame(kEth, {kIp.src, Ipv4{i}}, 1, 2));
    }
    while (!stop.load()) {
      std::vector<std::unique_ptr<Owned>> owned;
      std::vector<Packet> burst;
      std::vector<std::uint32_t> hosts;
      for (unsigned i = 0; i < kBurst; ++i) {
        hosts.push_back(next++ % kHosts);
        owned.push_back(std::make_unique<Owned>(frames[hosts.back()]));
        burst.push_back(owned.back()->packet);
      }
      const Pipeline::Burst guard(pipeline);
      pipeline.run(burst.data(), kBurst);
      for (unsigned i = 0; i < kBurst; ++i) {
        if (burst[i].verdict != Verdict::kOutput) continue;
        const auto v = view(owned[i]->frame());
        if (!v || !v->checksums_ok() || burst[i].out_port != hosts[i] % 50 ||
            v->src.value != hosts[i]) {
          ++wrong;
        }
      }
      bursts.fetch_add(1);
    }
  });
  SeededRng rng(5);
  std::map<std::uint32_t, RuleId> installed;
  while (bursts.load() == 0) std::this_thread::yield();
  for (int round = 0; round < kRounds; ++round) {
    for (std::uint32_t n = 0; n < kHosts; ++n) {
      const auto i = static_cast<std::uint32_t>(rng.next() % kHosts);
      if (const auto it = installed.find(i); it != installed.end()) {
        REQUIRE(pipeline.erase(it->second));
        installed.erase(it);
      } else {
        const auto id = pipeline.insert(0, 0, to_host(i), actions(i));
        REQUIRE(id);
        installed[i] = *id;
      }
    }
    // Another mask: views change, too. Now and then everything goes.
    const auto other = pipeline.insert(0, 1, {}, [] {
      Actions a;
      a.fate = Fate::kDrop;
      return a;
    }());
    REQUIRE(other);
    REQUIRE(pipeline.erase(*other));
    if (round % 20 == 19) {
      pipeline.flush();
      installed.clear();
    }
  }
  stop.store(true);
  reader.join();
  CHECK(wrong == 0);
  CHECK(pipeline.size() == installed.size());
}
