// SPDX-License-Identifier: Apache-2.0
// sluice-cni: a pod that has the name of one before it, while the kubelet lists both's devices.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/component/cni/cni_lab.h"

namespace sluice::testing {
namespace {

std::string eth0_of(const CniLab& lab, const Pod& pod) {
  const auto attached = lab.engine->attachments();
  const auto found = attached.find(pod.container + "/eth0");
  return found == attached.end() ? "none" : found->second.pci;
}

// The predecessor's VF before the successor's in the list, and after it.
const std::vector<std::vector<Listed>> kOrders = {{{kVf0, 1}, {kVf1, 2}}, {{kVf1, 1}, {kVf0, 2}}};

struct Names {
  const char* old_vf;
  const char* new_vf;
};

Names names_of(const std::vector<Listed>& both) {
  return both[0].given == 1 ? Names{both[0].id.c_str(), both[1].id.c_str()}
                            : Names{both[1].id.c_str(), both[0].id.c_str()};
}

std::vector<Listed> in_pool_order(std::vector<Listed> both) {
  if (both[0].id > both[1].id) std::swap(both[0], both[1]);
  return both;
}

TEST_CASE("while the predecessor still has its VF, the successor gets the other") {
  for (const auto& both : kOrders) {
    const auto names = names_of(both);
    INFO(names.old_vf);
    CniLab lab;
    lab.plugin->start();
    const Pod before("c1", "web-0", "uid-1"), after("c2", "web-0", "uid-2");
    lab.plugin->set_devices("shop/web-0", {{names.old_vf, 1}});
    REQUIRE(lab.add(before).status == 0);
    lab.plugin->set_devices("shop/web-0", in_pool_order(both));
    const auto added = lab.add(after);
    INFO(added.err);
    REQUIRE(added.status == 0);
    CHECK(eth0_of(lab, after) == names.new_vf);
    CHECK(eth0_of(lab, before) == names.old_vf);
    CHECK_FALSE(after.link("net1"));
    CHECK(added.err.find("uid-1") != std::string::npos);  // why it was left out
    CHECK(lab.del(before).status == 0);
    CHECK(lab.del(after).status == 0);
    lab.check_clean();
  }
}

TEST_CASE("the predecessor has gone, but the kubelet still lists its VF") {
  for (const auto& both : kOrders) {
    const auto names = names_of(both);
    INFO(names.old_vf);
    CniLab lab;
    lab.plugin->start();
    const Pod before("c1", "web-0", "uid-1"), after("c2", "web-0", "uid-2");
    lab.plugin->set_devices("shop/web-0", {{names.old_vf, 1}});
    REQUIRE(lab.add(before).status == 0);
    REQUIRE(lab.del(before).status == 0);
    lab.plugin->set_devices("shop/web-0", in_pool_order(both));
    REQUIRE(lab.add(after).status == 0);
    CHECK(eth0_of(lab, after) == names.new_vf);
    CHECK_FALSE(after.link("net1"));
    CHECK(lab.del(after).status == 0);
    lab.check_clean();
  }
}

TEST_CASE("the successor was given the predecessor's VF again: it is its own") {
  CniLab lab;
  lab.plugin->start();
  const Pod before("c1", "web-0", "uid-1"), after("c2", "web-0", "uid-2");
  lab.plugin->set_devices("shop/web-0", {{kVf0, 1}});
  REQUIRE(lab.add(before).status == 0);
  lab.plugin->set_devices("shop/web-0", {{kVf0, 2}});
  // Not before the predecessor let go of it.
  const auto early = lab.add(after);
  CHECK(early.out["code"] == 11);
  CHECK(early.out["msg"].get<std::string>().find("still in pod shop/web-0") != std::string::npos);
  REQUIRE(lab.del(before).status == 0);
  REQUIRE(lab.add(after).status == 0);
  CHECK(eth0_of(lab, after) == kVf0);
  REQUIRE(lab.del(after).status == 0);

  // The same over a restart of the plugin: it no longer knows when the VF was given, and nothing
  // else is the pod's.
  const Pod third("c3", "web-0", "uid-3");
  lab.plugin->set_instance("second");
  lab.plugin->set_devices("shop/web-0", {{kVf0, 0}});
  REQUIRE(lab.add(third).status == 0);
  CHECK(eth0_of(lab, third) == kVf0);
  CHECK(lab.del(third).status == 0);
  lab.check_clean();
}

TEST_CASE("another sandbox of the same pod keeps its VFs") {
  CniLab lab;
  lab.plugin->start();
  lab.plugin->set_devices("shop/web-0", {{kVf0, 1}, {kVf1, 2}});
  const Pod before("c1", "web-0", "uid-1"), after("c2", "web-0", "uid-1");
  REQUIRE(lab.add(before).status == 0);
  CHECK(lab.add(after).out["code"] == 11);  // the old sandbox is still there
  REQUIRE(lab.del(before).status == 0);
  REQUIRE(lab.add(after).status == 0);
  CHECK(eth0_of(lab, after) == kVf0);
  CHECK(after.link("net1"));
  CHECK(lab.del(after).status == 0);
  lab.check_clean();
}

}  // namespace
}  // namespace sluice::testing
