// SPDX-License-Identifier: Apache-2.0
#include "offload/host/paced_call.h"

#include <doctest/doctest.h>

#include <optional>

#include "tests/unit/offload/host/manual_loop.h"

using namespace sluice;
using namespace sluice::host;
using std::chrono::milliseconds;

TEST_CASE("the first request is answered at once, those of the gap together at its end") {
  testing::ManualLoop loop;
  int calls = 0;
  PacedCall call(loop, milliseconds(50), [&] { ++calls; });
  call.request();
  CHECK(calls == 0);  // never from inside
  loop.advance(Duration::zero());
  CHECK(calls == 1);
  for (int i = 0; i < 49; ++i) {
    call.request();
    loop.advance(milliseconds(1));
  }
  CHECK(calls == 1);
  loop.advance(milliseconds(1));
  CHECK(calls == 2);
  loop.advance(milliseconds(200));
  CHECK(calls == 2);
  CHECK(loop.timers() == 0);  // nothing to do: nothing wakes
  call.request();
  loop.advance(Duration::zero());
  CHECK(calls == 3);
}

TEST_CASE("a flood is one call a gap, and its last request isn't lost") {
  testing::ManualLoop loop;
  int calls = 0, requests = 0, seen = 0;
  PacedCall call(loop, milliseconds(50), [&] {
    ++calls;
    seen = requests;
  });
  for (; requests < 10'000;) {
    ++requests;
    call.request();
    loop.advance(milliseconds(1));
  }
  loop.advance(milliseconds(50));
  CHECK(calls <= 10'000 / 50 + 2);
  CHECK(seen == requests);
}

TEST_CASE("a request from inside the call is another one; none comes after the end") {
  testing::ManualLoop loop;
  int calls = 0;
  {
    std::optional<PacedCall> call;
    call.emplace(loop, milliseconds(50), [&] {
      if (++calls < 3) call->request();
    });
    call->request();
    loop.advance(milliseconds(49));
    CHECK(calls == 1);
    loop.advance(milliseconds(500));
    CHECK(calls == 3);
    call->request();
  }
  loop.advance(milliseconds(500));
  CHECK(calls == 3);
}
