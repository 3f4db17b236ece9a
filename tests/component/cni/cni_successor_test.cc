// SPDX-License-Identifier: Apache-2.0
// sluice-cni: a pod that has the name of one before it, while the kubelet lists both's devices.
#include <doctest/doctest.h>

#include <cstdint>
#include <fstream>
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

// As if the predecessor had ended long ago.
void age_last_use(const CniLab& lab, const std::string& vf) {
  const auto path = lab.dir + "/state/devices/" + vf;
  auto use = nlohmann::json::parse(std::ifstream(path));
  REQUIRE(use["ended"].get<std::uint64_t>() > 3600);
  use["ended"] = use["ended"].get<std::uint64_t>() - 3600;
  std::ofstream(path) << use.dump();
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

  // The same over a restart of the plugin: it no longer knows when the VF was given. The kubelet
  // may list it for the predecessor, until that one is long gone.
  const Pod third("c3", "web-0", "uid-3");
  lab.plugin->set_instance("second");
  lab.plugin->set_devices("shop/web-0", {{kVf0, 0}});
  const auto doubtful = lab.add(third);
  CHECK(doubtful.out["code"] == 11);
  CHECK(doubtful.out["msg"].get<std::string>().find(kVf0) != std::string::npos);
  CHECK_FALSE(third.link("eth0"));
  age_last_use(lab, kVf0);
  REQUIRE(lab.add(third).status == 0);
  CHECK(eth0_of(lab, third) == kVf0);
  CHECK(lab.del(third).status == 0);
  lab.check_clean();
}

TEST_CASE("the plugin was restarted while the predecessor lives: no veth and not one VF of two") {
  for (const bool another : {false, true}) {
    INFO(another);
    CniLab lab;
    lab.plugin->start();
    Pod before("c1", "web-0", "uid-1");
    const Pod after("c2", "web-0", "uid-2");
    lab.plugin->set_devices("shop/web-0", {{kVf0, 1}});
    REQUIRE(lab.add(before).status == 0);
    lab.plugin->set_instance("second");
    std::vector<Listed> listed = {{kVf0, 0}};
    if (another) listed.push_back({kVf1, 0});
    lab.plugin->set_devices("shop/web-0", listed);
    const auto early = lab.add(after);
    CHECK(early.out["code"] == 11);
    CHECK(early.out["msg"].get<std::string>().find("which still has it") != std::string::npos);
    CHECK_FALSE(after.link("eth0"));
    CHECK(lab.attachments().size() == 1);
    // The kubelet stops listing what was the predecessor's.
    REQUIRE(lab.del(before).status == 0);
    CHECK(lab.add(after).out["code"] == 11);
    if (another) {
      lab.plugin->set_devices("shop/web-0", {{kVf1, 0}});
    } else {
      age_last_use(lab, kVf0);
    }
    REQUIRE(lab.add(after).status == 0);
    CHECK(eth0_of(lab, after) == (another ? kVf1 : kVf0));
    CHECK(lab.del(after).status == 0);
    lab.check_clean();
  }
}

TEST_CASE("a predecessor that died without a DEL: its end is noted, and then waited for") {
  CniLab lab;
  lab.plugin->start();
  Pod before("c1", "web-0", "uid-1");
  const Pod after("c2", "web-0", "uid-2");
  lab.plugin->set_devices("shop/web-0", {{kVf0, 1}});
  REQUIRE(lab.add(before).status == 0);
  before.kill();
  lab.await_gone("rep0");
  lab.make_vf(0);
  lab.plugin->set_instance("second");
  lab.plugin->set_devices("shop/web-0", {{kVf0, 0}});
  CHECK(lab.add(after).out["code"] == 11);
  age_last_use(lab, kVf0);
  REQUIRE(lab.add(after).status == 0);
  CHECK(eth0_of(lab, after) == kVf0);
  CHECK(lab.call("DEL", before, nlohmann::json::object(), "").status == 0);
  CHECK(eth0_of(lab, after) == kVf0);
  CHECK(lab.del(after).status == 0);
  lab.check_clean();
}

TEST_CASE("claims of one template: the predecessor's is not the successor's") {
  CniLab lab;
  lab.plugin->start();
  const Pod before("c1", "web-0", "uid-1"), after("c2", "web-0", "uid-2");
  const Listed old_one{kVf0, 1, "sluice.dev/vf", "shop/web-0-net-x7k2p"};
  const Listed new_one{kVf1, 2, "sluice.dev/vf", "shop/web-0-net-q9d3z"};
  lab.plugin->set_devices("shop/web-0", {old_one});
  REQUIRE(lab.add(before).status == 0);
  lab.plugin->set_devices("shop/web-0", {old_one, new_one});
  REQUIRE(lab.add(after).status == 0);
  CHECK(eth0_of(lab, after) == kVf1);
  CHECK_FALSE(after.link("net1"));
  CHECK(lab.del(before).status == 0);
  CHECK(lab.del(after).status == 0);
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
