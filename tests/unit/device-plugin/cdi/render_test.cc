// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <set>
#include <string>

#include <nlohmann/json.hpp>

#include "common/base/clock.h"
#include "device-plugin/cdi/spec_store.h"

namespace sluice::cdi {
namespace {

using nlohmann::json;

json rendered(const Spec& spec) { return json::parse(render(spec)); }

TEST_CASE("A whole file") {
  const Spec spec{
      "sluice.dev/vf",
      {{"0000:3b:00.2",
        {{"/dev/vfio/vfio", "/dev/vfio/vfio", "rw"}, {"/dev/vfio/4", "/dev/vfio/noiommu-4", "rw"}},
        {{"/etc/x", "/run/x", true}, {"/etc/y", "/run/y", false}},
        {{"A", "1"}, {"B", "x=y"}}},
       {"mlx5_core.sf.4", {}, {}, {}}}};
  CHECK(rendered(spec) == json::parse(R"({
    "cdiVersion": "0.5.0",
    "kind": "sluice.dev/vf",
    "devices": [
      {"name": "0000:3b:00.2", "containerEdits": {
        "deviceNodes": [
          {"path": "/dev/vfio/vfio", "permissions": "rw"},
          {"path": "/dev/vfio/4", "hostPath": "/dev/vfio/noiommu-4", "permissions": "rw"}],
        "mounts": [
          {"hostPath": "/run/x", "containerPath": "/etc/x",
           "options": ["ro", "nosuid", "nodev", "bind"]},
          {"hostPath": "/run/y", "containerPath": "/etc/y",
           "options": ["rw", "nosuid", "nodev", "bind"]}],
        "env": ["A=1", "B=x=y"]}},
      {"name": "mlx5_core.sf.4", "containerEdits": {
        "env": ["SLUICE_DEVICE_MLX5_CORE_SF_4=mlx5_core.sf.4"]}}]})"));
}

TEST_CASE("The lowest version that has what is used") {
  const auto version = [](const SpecDevice& device) {
    return rendered({"sluice.dev/vf", {device}})["cdiVersion"];
  };
  CHECK(version({"claim-a", {{"/dev/x", "/dev/x", "rw"}}, {}, {}}) == "0.3.0");
  CHECK(version({"claim-a", {{"/dev/x", "/dev/y", "rw"}}, {}, {}}) == "0.5.0");
  CHECK(version({"0000:3b:00.2", {{"/dev/x", "/dev/x", "rw"}}, {}, {}}) == "0.5.0");
}

TEST_CASE("Kinds and device names") {
  struct Row {
    std::string resource, kind;
  };
  const std::vector<Row> rows = {
      {"sluice.dev/vf", "sluice.dev/vf"},
      {"intel.com/sriov_net-0", "intel.com/sriov_net-0"},
      {"sluice.dev/100g", "sluice.dev/x--100g"},  // a class begins with a letter
      {"sluice.dev/vf-", "sluice.dev/x--vf_2d"},
      {"sluice.dev/_vf", "sluice.dev/x--_5fvf"},
      {"sluice.dev/a.b", "sluice.dev/x--a_2eb"},
      {"sluice.dev/x--a_2eb", "sluice.dev/x--x_2d_2da_5f2eb"},
      {"3com.com/vf", "x--3com_2ecom/vf"},  // and so does a vendor
      {"vf", "x--e/vf"},
      {"sluice.dev/", "sluice.dev/x--e"},
      {"a/b/c", "a/x--b_2fc"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.resource);
    CHECK(kind_of(row.resource) == row.kind);
  }
  CHECK(qualified("sluice.dev/vf", "0000:3b:00.2") == "sluice.dev/vf=0000:3b:00.2");
  CHECK(qualified("sluice.dev/vf", "mlx5_core.sf.4") == "sluice.dev/vf=mlx5_core.sf.4");
  CHECK(qualified("sluice.dev/vf", "a=b") == "sluice.dev/vf=x--a_3db");
}

// The specification's grammar, written down a second time.
bool is_kind(const std::string& kind) {
  const auto alphanumeric = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  const auto slash = kind.find('/');
  if (slash == std::string::npos) return false;
  for (const auto& [part, inside] : {std::pair(kind.substr(0, slash), std::string("._-")),
                                     std::pair(kind.substr(slash + 1), std::string("_-"))}) {
    if (part.empty() || std::isalpha(static_cast<unsigned char>(part.front())) == 0) return false;
    if (!alphanumeric(part.back())) return false;
    for (const char c : part) {
      if (!alphanumeric(c) && inside.find(c) == std::string::npos) return false;
    }
  }
  return true;
}

TEST_CASE("Any two resources have different kinds, all of them allowed") {
  SeededRng rng(1);
  const std::string letters = "ax-_.0e2d/";
  std::set<std::string> resources, kinds;
  for (int n = 0; n < 20000; ++n) {
    std::string name;
    for (std::size_t length = rng.next() % 6; length > 0; --length) {
      name += letters[rng.next() % letters.size()];
    }
    const std::string resource = (rng.next() % 2 == 0 ? "x.y/" : "x--/x--") + name;
    if (!resources.insert(resource).second) continue;
    const std::string kind = kind_of(resource);
    CAPTURE(resource);
    CAPTURE(kind);
    REQUIRE(is_kind(kind));
    REQUIRE(kinds.insert(kind).second);
  }
}

}  // namespace
}  // namespace sluice::cdi
