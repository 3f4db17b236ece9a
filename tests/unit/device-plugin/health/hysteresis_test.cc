// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>

#include "device-plugin/health/health.h"

namespace sluice::health {
namespace {

using std::chrono::seconds;
using Observed = std::map<std::string, std::optional<std::string>>;
using Unhealthy = std::map<std::string, std::string>;

constexpr Duration kDown = seconds(3);
constexpr Duration kUp = seconds(10);

struct Setup {
  Unhealthy see(const std::optional<std::string>& reason) {
    return hysteresis.update({{"a", reason}}, clock.now());
  }
  ManualClock clock;
  Hysteresis hysteresis{kDown, kUp};
};

TEST_CASE("What is seen first counts at once") {
  Setup setup;
  CHECK(setup.hysteresis.update({{"a", "broken"}, {"b", std::nullopt}}, setup.clock.now()) ==
        Unhealthy{{"a", "broken"}});
  CHECK_FALSE(setup.hysteresis.next_change());
}

TEST_CASE("Down after its delay, up after its own, and both say when") {
  Setup setup;
  CHECK(setup.see({}).empty());
  CHECK(setup.see("broken").empty());
  CHECK(setup.hysteresis.next_change() == setup.clock.now() + kDown);
  setup.clock.advance(kDown - Duration(1));
  CHECK(setup.see("broken").empty());
  CHECK(setup.hysteresis.next_change() == setup.clock.now() + Duration(1));
  setup.clock.advance(Duration(1));
  CHECK(setup.see("broken") == Unhealthy{{"a", "broken"}});
  CHECK_FALSE(setup.hysteresis.next_change());

  CHECK(setup.see({}) == Unhealthy{{"a", "broken"}});
  CHECK(setup.hysteresis.next_change() == setup.clock.now() + kUp);
  setup.clock.advance(kUp);
  CHECK(setup.see({}).empty());
  CHECK_FALSE(setup.hysteresis.next_change());
}

TEST_CASE("What doesn't last is not passed on; the reason is the newest") {
  Setup setup;
  CHECK(setup.see({}).empty());
  for (int n = 0; n < 5; ++n) {
    CHECK(setup.see("broken").empty());
    setup.clock.advance(kDown - Duration(1));
    CHECK(setup.see({}).empty());
    CHECK_FALSE(setup.hysteresis.next_change());
  }
  setup.see("broken");
  setup.clock.advance(kDown);
  CHECK(setup.see("worse") == Unhealthy{{"a", "worse"}});
  CHECK(setup.see("worst") == Unhealthy{{"a", "worst"}});
}

TEST_CASE("Who is gone is forgotten") {
  Setup setup;
  setup.see({});
  setup.see("broken");
  CHECK(setup.hysteresis.update({}, setup.clock.now()).empty());
  CHECK_FALSE(setup.hysteresis.next_change());
  CHECK(setup.see("broken") == Unhealthy{{"a", "broken"}});
}

TEST_CASE("The earliest of several changes is the next") {
  Setup setup;
  setup.hysteresis.update({{"a", std::nullopt}, {"b", "x"}}, setup.clock.now());
  const auto start = setup.clock.now();
  setup.hysteresis.update({{"a", std::nullopt}, {"b", std::nullopt}}, setup.clock.now());
  setup.clock.advance(seconds(1));
  setup.hysteresis.update({{"a", "x"}, {"b", std::nullopt}}, setup.clock.now());
  CHECK(setup.hysteresis.next_change() == start + seconds(1) + kDown);
}

TEST_CASE("However it flaps, no change comes sooner than its delay after the last one") {
  SeededRng rng(7);
  for (int round = 0; round < 50; ++round) {
    Setup setup;
    bool shown = setup.see({}).empty();
    TimePoint since;  // what is seen has been other than what is shown since then, if it is
    bool differs = false;
    auto last_change = setup.clock.now();
    for (int step = 0; step < 400; ++step) {
      CAPTURE(round);
      CAPTURE(step);
      // Mostly small steps; sometimes exactly to the moment that was announced.
      const auto announced = setup.hysteresis.next_change();
      if (announced && rng.next() % 4 == 0) {
        setup.clock.advance(*announced - setup.clock.now());
      } else {
        setup.clock.advance(std::chrono::milliseconds(1 + rng.next() % 4000));
      }
      const bool well = rng.next() % 3 == 0;
      const bool now_shown =
          setup.see(well ? std::nullopt : std::optional<std::string>("x")).empty();
      if (well == shown) {
        differs = false;
        REQUIRE(now_shown == shown);
        continue;
      }
      if (!differs) since = setup.clock.now();
      differs = true;
      const Duration delay = shown ? kDown : kUp;
      const bool due = setup.clock.now() - since >= delay;
      REQUIRE((now_shown != shown) == due);
      if (now_shown == shown) continue;
      REQUIRE(setup.clock.now() - last_change >= delay);
      last_change = setup.clock.now();
      shown = now_shown;
      differs = false;
    }
  }
}

}  // namespace
}  // namespace sluice::health
