// SPDX-License-Identifier: Apache-2.0
#include "offload/host/neighbour_probes.h"

#include <doctest/doctest.h>

#include <map>
#include <optional>

#include "tests/unit/offload/host/manual_loop.h"

using namespace sluice;
using namespace sluice::host;
using std::chrono::seconds;

namespace {
const Ipv4 kOld{0xc0000201};
Ipv4 at(std::uint32_t n) { return Ipv4{0x0a000000U + n}; }

struct Asked {
  testing::ManualLoop loop;
  std::map<Ipv4, int> times;
  NeighbourProbes probes{loop, [this](Ipv4 ip) { ++times[ip]; }};
};
}  // namespace

TEST_CASE("one that doesn't answer is asked ever more rarely") {
  Asked asked;
  asked.probes.ask(kOld);
  CHECK(asked.times[kOld] == 1);
  asked.loop.advance(seconds(1 + 2 + 4 + 8 + 16 + 32));
  CHECK(asked.times[kOld] == 7);
  asked.loop.advance(seconds(640));
  CHECK(asked.times[kOld] == 17);
  asked.probes.ask(kOld);  // known already
  CHECK(asked.times[kOld] == 17);
}

TEST_CASE("new ones don't change the pace of the others") {
  Asked asked;
  asked.probes.ask(kOld);
  asked.loop.advance(seconds(63));  // the next time is in 64 s
  const int before = asked.times[kOld];
  for (std::uint32_t n = 0; n < 60; ++n) {
    asked.probes.ask(at(n));
    asked.loop.advance(seconds(1));
  }
  CHECK(asked.times[kOld] == before);
  asked.loop.advance(seconds(4));
  CHECK(asked.times[kOld] == before + 1);
}

TEST_CASE("who has answered, or is nobody's, isn't asked any more") {
  Asked asked;
  for (std::uint32_t n = 0; n < 4; ++n) asked.probes.ask(at(n));
  asked.probes.settled(at(0));
  asked.probes.settled(at(0));
  asked.probes.settle_unless([](Ipv4 ip) { return ip == at(3); });
  asked.loop.advance(seconds(1));
  CHECK(asked.times == std::map<Ipv4, int>{{at(0), 1}, {at(1), 1}, {at(2), 1}, {at(3), 2}});
  CHECK(asked.probes.count() == 1);
  asked.probes.settled(at(3));
  CHECK(asked.loop.timers() == 0);
  asked.probes.ask_later(at(0));
  CHECK(asked.times[at(0)] == 1);
  asked.loop.advance(seconds(1));
  CHECK(asked.times[at(0)] == 2);
}

TEST_CASE("one that nobody needs any more may be settled when its turn comes") {
  testing::ManualLoop loop;
  int times = 0;
  std::optional<NeighbourProbes> probes;
  probes.emplace(loop, [&](Ipv4 ip) {
    if (++times == 3) probes->settled(ip);
  });
  probes->ask(kOld);
  loop.advance(seconds(1000));
  CHECK(times == 3);
  CHECK(probes->count() == 0);
  CHECK(loop.timers() == 0);
}
