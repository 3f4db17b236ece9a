// SPDX-License-Identifier: Apache-2.0
// RDMA devices by netlink in a new namespace, which has none of its own. Moving real ones is for
// machines that have them.
#include "common/netlink/rdma.h"

#include "tests/netns/common/space.h"

using namespace sluice;
using namespace sluice::netlink;

TEST_CASE("A namespace without devices, and a kernel without RDMA, are asked in vain") {
  Space space;
  auto rdma = Rdma::open_in(space.netns);
  REQUIRE_OK(rdma);
  const auto mode = rdma->mode();
  REQUIRE_OK(mode);
  const auto devices = rdma->devices();
  REQUIRE_OK(devices);
  if (*mode == RdmaMode::kExclusive) CHECK(devices->empty());
  // No device has this index, so nothing of the machine's is moved.
  const auto moved = rdma->move(0xfffffff0, space.netns);
  REQUIRE_FALSE(moved);
  if (*mode == RdmaMode::kShared) CHECK(moved.error().code == Code::kPrecondition);
  CHECK(rdma->rename(0xfffffff0, "mlx5_7").error().code == Code::kNotFound);
  CHECK(rdma->rename(0xfffffff0, "").error().code == Code::kInvalid);
}
