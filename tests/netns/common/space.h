// SPDX-License-Identifier: Apache-2.0
// An anonymous namespace with a veth pair, its links' names as all these tests have them.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "common/netlink/rtnetlink.h"
#include "common/os/process.h"

#define REQUIRE_OK(expression)                                       \
  do {                                                               \
    const auto& outcome_ = (expression);                             \
    INFO((outcome_ ? std::string() : outcome_.error().to_string())); \
    REQUIRE(outcome_);                                               \
  } while (false)

namespace sluice::netlink {

struct Space {
  os::NetNs netns = *os::NetNs::create_anonymous();
  Rtnl rtnl = *Rtnl::open_in(netns);

  // What an independent tool says, run inside.
  std::string output_of(const std::vector<std::string>& argv) const {
    std::string output;
    REQUIRE_OK(netns.run_in([&]() -> Status {
      SLUICE_TRY(const auto exit, os::run_program(argv, ""));
      output = exit.out + exit.err;
      return {};
    }));
    return output;
  }
  void run(const std::vector<std::string>& argv) const {
    REQUIRE_OK(netns.run_in([&] { return os::run_checked(argv); }));
  }
};

// "sla" and "slb", both up.
struct VethSpace : Space {
  VethSpace() {
    REQUIRE_OK(rtnl.add_veth({"sla", {}, {}, {}, true}, {"slb", {}, {}, {}, true}));
    a = rtnl.link("sla")->index;
    b = rtnl.link("slb")->index;
  }
  IfIndex a, b;
};

}  // namespace sluice::netlink
