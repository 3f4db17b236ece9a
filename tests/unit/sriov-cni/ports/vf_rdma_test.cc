// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ports/vf_rdma.h"

#include <doctest/doctest.h>

#include <utility>

using namespace sluice;
using namespace sluice::cni;

namespace {

netlink::RdmaLink device(std::uint32_t index, const char* name) { return {index, name, {}}; }

using Named = std::vector<std::pair<std::uint32_t, std::string>>;

Named renamed(const std::vector<std::string>& names, const std::vector<netlink::RdmaLink>& own,
              const std::vector<netlink::RdmaLink>& others = {}) {
  auto all = others;
  all.insert(all.end(), own.begin(), own.end());
  Named out;
  for (const auto& one : renamed_rdma(names, own, all)) {
    out.emplace_back(one.device.index, one.name);
  }
  return out;
}

}  // namespace

TEST_CASE("An RDMA device that the pod renamed has the name that is missing") {
  const auto other = device(9, "of-another-netdev");
  CHECK(renamed({"mlx5_7"}, {device(3, "mlx5_7")}, {other}).empty());
  CHECK(renamed({"mlx5_7"}, {device(3, "pods")}, {other}) == Named{{3, "mlx5_7"}});
  CHECK(renamed({"mlx5_7"}, {}, {other}).empty());
  CHECK(renamed({"mlx5_7"}, {device(3, "pods")}, {device(9, "mlx5_7")}).empty());
  CHECK(renamed({}, {device(3, "pods")}).empty());
}

TEST_CASE("Of several, those that lost their names get them in order, or none") {
  const auto kept = device(2, "a"), first = device(3, "x"), second = device(4, "y");
  CHECK(renamed({"a", "b", "c"}, {kept, first, second}) == Named{{3, "b"}, {4, "c"}});
  CHECK(renamed({"a", "b"}, {kept, first}) == Named{{3, "b"}});
  // One of two has gone: which one this is can't be told.
  CHECK(renamed({"a", "b", "c"}, {kept, first}).empty());
}
