// SPDX-License-Identifier: Apache-2.0
// What assign() says beside the pool: selectors, reasons, reservations. Which device goes to which
// pool is in peer_semantics_test.cc.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "device-plugin/pools/assignment.h"
#include "tests/unit/device-plugin/pools/inventories.h"

namespace sluice::pools {
namespace {

config::Config parse(const std::string& text) { return config::parse_config(text).value(); }

config::Config own(const std::string& pools, const std::string& more = "") {
  return parse(R"({"pools":[)" + pools + "]" + more + "}");
}

nic::Inventory one_pf(std::size_t vfs) {
  nic::Inventory out;
  out.pfs = {make_pf("p0", 0x3b, vfs)};
  return out;
}

TEST_CASE("candidates: each PF, its VFs by index, its subfunctions; then accelerators") {
  auto nics = one_pf(2);
  nics.pfs[0].sfs = {make_sf(7)};
  nics.pfs.push_back(make_pf("p1", 0x5e, 0));
  nics.accelerators = {make_accelerator(0x81)};
  const auto all = candidates(nics);
  std::vector<std::string> ids, described;
  for (const auto& candidate : all) {
    ids.push_back(candidate.id);
    described.push_back(describe(candidate));
  }
  CHECK(ids == std::vector<std::string>{"0000:3b:00.0", "0000:3b:00.2", "0000:3b:00.3",
                                        "mlx5_core.sf.8", "0000:5e:00.0", "0000:81:00.0"});
  CHECK(described == std::vector<std::string>{"PF p0", "VF 0 of p0", "VF 1 of p0", "SF 7 of p0",
                                              "PF p1", "accelerator"});
  CHECK(all[3].driver() == "mlx5_core.sf");
  CHECK(all[3].function == &nics.pfs[0]);
  CHECK(all[5].pf == nullptr);
}

TEST_CASE("the selector that took a device is named: the first that matches") {
  const auto config =
      own(R"({"name":"a","selectors":[{"pfNames":["p0#1"],"needVhostNet":true},{}]})");
  const auto nics = one_pf(2);
  const auto verdicts = assign(config, candidates(nics), {});
  CHECK(verdicts[1].selector == 1);
  CHECK(verdicts[2].selector == 0);
  CHECK(verdicts[2].why_not == std::vector<std::string>{""});
}

TEST_CASE("why not, by key: what is wanted and what it is") {
  struct Row {
    const char* selector;
    const char* why;
  };
  const std::vector<Row> rows = {
      {R"({"vendors":["8086","1af4"]})", "vendors wants 8086, 1af4; it has 15b3"},
      {R"({"devices":["154c"]})", "devices wants 154c; it has 1018"},
      {R"({"drivers":["iavf"]})", "drivers wants iavf; it has mlx5_core"},
      {R"({"pciAddresses":["3b:00.3"]})", "pciAddresses wants 0000:3b:00.3; it has 0000:3b:00.2"},
      {R"({"acpiIndexes":["1"]})", "acpiIndexes wants 1; it has none"},
      {R"({"pfNames":["p0#1-3,7","P1"]})", "pfNames wants p0#1-3,7, p1; it is VF 0 of p0"},
      {R"({"rootDevices":["5e:00.0"]})",
       "rootDevices wants 0000:5e:00.0; it is VF 0 of p0, 0000:3b:00.0"},
      {R"({"linkTypes":["infiniband"]})", "linkTypes wants infiniband; it has ether"},
      {R"({"pKeys":["0x8001"]})", "pKeys wants 8001; it has none, as it is no InfiniBand"},
      {R"({"isRdma":true})", "isRdma wants an RDMA device; it has none"},
      {R"({"vdpaType":"vhost"})", "vdpaType wants vhost_vdpa; it has no vDPA device"},
      {R"({"ddpProfiles":["x"]})", "ddpProfiles wants x; it has none that is known"},
      {R"({"drivers":["a","b","c","d","e","f","g","h","i","j"]})",
       "drivers wants a, b, c, d, e, f, g, h and 2 more; it has mlx5_core"},
  };
  const auto nics = one_pf(1);
  for (const auto& row : rows) {
    INFO(row.selector);
    const auto config = own(R"({"name":"a","selectors":)" + std::string(row.selector) + "}");
    const auto vf = candidates(nics)[1];
    CHECK(mismatch(config.pools[0].selectors[0], vf) == row.why);
    CHECK(assign(config, {vf}, {})[0].why_not[0] == row.why);
  }
  CHECK_FALSE(mismatch({}, candidates(nics)[1]));
}

TEST_CASE("a selector of impossible values takes nothing and says so") {
  const auto config =
      parse(R"({"resourceList":[{"resourceName":"a","selectors":{"vendors":["x"]}}]})");
  const auto nics = one_pf(1);
  CHECK(assign(config, candidates(nics), {})[1].why_not[0] ==
        "vendors has no value that a device could have");
}

TEST_CASE("why not, by pool: type, exclusions, several selectors, who comes first") {
  const auto config = own(R"({"name":"pf","type":"pf"},
                             {"name":"sel","selectors":[{"drivers":["x"]},{"pfNames":["p9"]}]},
                             {"name":"a"},{"name":"late"},{"name":"acc","type":"accelerator"})");
  auto nics = one_pf(2);
  nics.pfs[0].vfs[1].driver.clear();
  const auto verdicts = assign(config, candidates(nics), {});
  CHECK_FALSE(verdicts[0].pool);
  CHECK(verdicts[0].why_not ==
        std::vector<std::string>{"has 2 VFs; a PF is given out only while it has none",
                                 "is a PF; the pool's type is vf", "is a PF; the pool's type is vf",
                                 "is a PF; the pool's type is vf",
                                 "is a PF; the pool's type is accelerator"});
  CHECK(verdicts[1].pool == 2);
  CHECK(
      verdicts[1].why_not ==
      std::vector<std::string>{
          "is a VF; the pool's type is pf",
          "selectors[0]: drivers wants x; it has mlx5_core; selectors[1]: pfNames wants p9; it is "
          "VF 0 of p0",
          "", "sluice.dev/a comes first", "is a VF; the pool's type is accelerator"});
  CHECK_FALSE(verdicts[2].pool);
  CHECK(verdicts[2].why_not[2] == "no driver is bound");
}

TEST_CASE("reserved devices, by address or netdev, unless a pool names them") {
  auto nics = one_pf(3);
  nics.pfs[0].vfs[2].more_netdevs = {netdev("extra")};
  const Reserved reserved = {{"0000:3b:00.2", "why 0"}, {"p0v1", "why 1"}, {"extra", "why 2"}};
  const auto all = candidates(nics);
  const auto verdicts = assign(own(R"({"name":"a"})"), all, reserved);
  for (int i = 0; i < 3; ++i) {
    const auto& verdict = verdicts[static_cast<std::size_t>(i) + 1];
    CHECK_FALSE(verdict.pool);
    CHECK(verdict.why_not[0] == "is reserved: why " + std::to_string(i));
  }
  const auto named =
      assign(own(R"({"name":"a"},{"name":"b","allowReserved":["3b:00.2","p0v1"]})"), all, reserved);
  CHECK(named[1].pool == 1);
  CHECK(named[2].pool == 1);
  CHECK_FALSE(named[3].pool);
  CHECK(named[1].why_not[0] == "is reserved: why 0");
}

TEST_CASE("host ports, by address or index, are nobody's unless a pool names them") {
  const auto nics = one_pf(4);
  const auto all = candidates(nics);
  const auto config = own(R"({"name":"a"},{"name":"b","allowReserved":["p0v3"]})",
                          R"(,"hostPorts":["3B:00.2","p0#2","3b:00.0#3"])");
  const auto verdicts = assign(config, all, {});
  CHECK(verdicts[1].why_not[0] == "is kept for the node (hostPorts)");
  CHECK(verdicts[2].pool == 0);
  CHECK_FALSE(verdicts[3].pool);
  CHECK(verdicts[4].pool == 1);
}

TEST_CASE("a subfunction is not reserved by its PF's address, but by its own name") {
  auto nics = one_pf(0);
  nics.pfs[0].sfs = {make_sf(0, "s0"), make_sf(1, "s1")};
  const auto config = own(R"({"name":"a","type":"sf"})");
  const auto verdicts =
      assign(config, candidates(nics), {{"0000:3b:00.0", "x"}, {"p0", "x"}, {"s1", "y"}});
  CHECK(verdicts[1].pool == 0);
  CHECK_FALSE(verdicts[2].pool);
}

TEST_CASE("types of our own form") {
  auto nics = one_pf(1);
  nics.pfs.push_back(make_pf("p1", 0x5e, 0));
  nics.pfs[1].sfs = {make_sf(0)};
  const auto all = candidates(nics);
  const auto taken = [&](const char* type) {
    std::vector<std::string> out;
    const auto config = own(R"({"name":"a","type":")" + std::string(type) + R"("})");
    for (const auto& verdict : assign(config, all, {})) {
      if (verdict.pool) out.push_back(verdict.id);
    }
    return out;
  };
  using Ids = std::vector<std::string>;
  CHECK(taken("vf") == Ids{"0000:3b:00.2"});
  CHECK(taken("pf") == Ids{"0000:5e:00.0"});
  CHECK(taken("network") == Ids{"0000:3b:00.2", "0000:5e:00.0"});
  CHECK(taken("sf") == Ids{"mlx5_core.sf.1"});
  CHECK(taken("accelerator").empty());
}

}  // namespace
}  // namespace sluice::pools
