// SPDX-License-Identifier: Apache-2.0
// The question for VFs against the kernel. Veths have none, but the kernel must take the question.
#include <doctest/doctest.h>

#include "common/netlink/rtnetlink.h"
#include "common/nic/vf_control.h"

using namespace sluice;

TEST_CASE("A link without VFs answers with none, a link that isn't there with an error") {
  const auto netns = *os::NetNs::create_anonymous();
  auto rtnl = *netlink::Rtnl::open_in(netns);
  REQUIRE(rtnl.add_veth({"sla", {}, {}, {}, false}, {"slb", {}, {}, {}, false}));
  const auto index = rtnl.link("sla")->index;
  const auto none = rtnl.vf_attributes(index);
  REQUIRE_MESSAGE(none, none.error().to_string());
  CHECK(none->empty());
  CHECK(rtnl.vf_attributes({index.value + 1000}).error().code == Code::kNotFound);
  CHECK(rtnl.vf_attributes({0}).error().code == Code::kNotFound);
}
