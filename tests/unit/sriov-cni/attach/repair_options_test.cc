// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "sriov-cni/attach/repair.h"

namespace sluice::cni {
namespace {

TEST_CASE("arguments of repair") {
  const auto none = parse_repair({}).value();
  CHECK(none.state_dir == "/var/lib/sluice");
  CHECK(none.place.sysfs_root == "/sys");
  CHECK_FALSE(none.dry_run);
  const auto all = parse_repair({"--dry-run", "--json", "--state-dir", "/a", "--sysfs-root=/b",
                                 "--baseline-dir", "/c", "--vf-control-socket=/d"})
                       .value();
  CHECK(all.dry_run);
  CHECK(all.json);
  CHECK(all.state_dir == "/a");
  CHECK(all.place.sysfs_root == "/b");
  CHECK(all.place.baseline_dir == "/c");
  CHECK(all.place.vf_control_socket == "/d");
  for (const auto& [arguments, named] :
       std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"--state-dir"}, "--state-dir"},
           {{"--state-dir", "a"}, "absolute"},
           {{"--state-dir="}, "absolute"},
           {{"--dry-run=1"}, "--dry-run=1"},
           {{"now"}, "now"}}) {
    const auto refused = parse_repair(arguments);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find(named) != std::string::npos);
  }
}

TEST_CASE("findings for people and for programs") {
  RepairOptions options;
  CHECK(print_findings(options, {}) == "nothing to repair\n");
  const std::vector<Finding> findings = {{"attachment", "c1/eth0", "its namespace is gone", ""},
                                         {"vf", "0000:3b:00.2", "name is eth0", "busy"}};
  const auto table = print_findings(options, findings);
  CHECK(table.find("attachment  c1/eth0       done    its namespace is gone\n") !=
        std::string::npos);
  CHECK(table.find("failed  name is eth0: busy\n") != std::string::npos);
  options.dry_run = true;
  CHECK(print_findings(options, findings).find("found ") != std::string::npos);
  options.json = true;
  CHECK(print_findings(options, findings).find("\"dryRun\": true") != std::string::npos);
}

}  // namespace
}  // namespace sluice::cni
