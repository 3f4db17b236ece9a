// SPDX-License-Identifier: Apache-2.0
// What is held below a state directory, and giving all of an owner's back.
#include <doctest/doctest.h>

#include "sriov-cni/ipam/ipam.h"
#include "tests/unit/common/temp_dir.h"

namespace sluice::cni {
namespace {

bool operator==(const HeldAddress& a, const HeldAddress& b) {
  return a.owner == b.owner && a.address == b.address && a.place == b.place && a.file == b.file;
}

TEST_CASE("everything held is listed with its owner and place, the unreadable too") {
  const test::TempDir dir;
  dir.file("ipam/node-a/10.244.1.2", "c1/eth0");
  dir.file("ipam/node-a/.last", "10.244.1.2");
  dir.file("ipam/node-a/.lock", "");
  dir.file("ipam/stray", "a file");
  dir.file("ipam/pools/storage/-/10.1.0.2", "c1/net1");
  dir.file("ipam/pools/storage/0000:3b:00.0/fd00::2", "c2/net1");
  dir.file("ipam/pools/storage/0000:3b:00.0/fd00::3", "no key");
  dir.file("ipam/pools/storage/0000:3b:00.0/fd00::4", "");
  const auto held = held_addresses(dir.path());
  REQUIRE(held);
  REQUIRE(held->size() == 5);
  CHECK((*held)[0] ==
        HeldAddress{
            {"c1", "eth0"}, "10.244.1.2", "node block of node-a", dir / "ipam/node-a/10.244.1.2"});
  CHECK((*held)[1] ==
        HeldAddress{
            {"c1", "net1"}, "10.1.0.2", "pool storage", dir / "ipam/pools/storage/-/10.1.0.2"});
  CHECK((*held)[2].place == "pool storage, rail 0000:3b:00.0");
  CHECK((*held)[2].owner == AttachmentKey{"c2", "net1"});
  CHECK((*held)[3].owner == AttachmentKey{});
  CHECK((*held)[4].owner == AttachmentKey{});
  CHECK((*held)[4].file == dir / "ipam/pools/storage/0000:3b:00.0/fd00::4");

  REQUIRE(release_everywhere(dir.path(), AttachmentKey{"c1", "eth0"}));
  REQUIRE(release_everywhere(dir.path(), AttachmentKey{"c1", "net1"}));
  REQUIRE(release_everywhere(dir.path(), AttachmentKey{"c2", "net1"}));
  REQUIRE(release_everywhere(dir.path(), AttachmentKey{"c2", "net1"}));
  CHECK(held_addresses(dir.path())->size() == 2);
}

TEST_CASE("no state directory: nothing is held, nothing is to be released") {
  const test::TempDir dir;
  CHECK(held_addresses(dir / "none")->empty());
  CHECK(release_everywhere(dir / "none", AttachmentKey{"c1", "eth0"}));
  CHECK_FALSE(std::filesystem::exists(dir / "none"));
}

}  // namespace
}  // namespace sluice::cni
