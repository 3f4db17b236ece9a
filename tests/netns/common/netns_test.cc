// SPDX-License-Identifier: Apache-2.0
#include "common/os/netns.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <filesystem>

#include "common/netlink/rtnetlink.h"
#include "common/os/files.h"
#include "tests/unit/common/temp_dir.h"

using namespace sluice;
using namespace sluice::os;

namespace {

std::size_t links_in(const NetNs& netns) {
  auto rtnl = netlink::Rtnl::open_in(netns);
  REQUIRE(rtnl);
  const auto links = rtnl->links();
  REQUIRE(links);
  return links->size();
}

}  // namespace

TEST_CASE("A named namespace is made once, opened again, and removed") {
  const test::TempDir dir;
  const std::string path = dir / "deep/down/sltest";
  const auto made = NetNs::create_named(path);
  REQUIRE(made);
  CHECK(made->inode() != NetNs::current()->inode());
  const auto again = NetNs::create_named(path);
  REQUIRE(again);
  CHECK(again->inode() == made->inode());
  CHECK(NetNs::open(path)->inode() == made->inode());
  CHECK(links_in(*made) >= 1);
  CHECK(NetNs::remove_named(path));
  CHECK_FALSE(std::filesystem::exists(path));
  CHECK(NetNs::remove_named(path));
  CHECK(links_in(*made) >= 1);  // its descriptor keeps it
}

TEST_CASE("A file that a dead mount left behind is used again") {
  const test::TempDir dir;
  dir.file("sltest", "");
  CHECK(NetNs::open(dir / "sltest").error().code == Code::kInvalid);
  CHECK(NetNs::open(dir / "other").error().code == Code::kNotFound);
  REQUIRE(NetNs::create_named(dir / "sltest"));
  CHECK(NetNs::remove_named(dir / "sltest"));
}

TEST_CASE("It works in a mount namespace of its own, whose mounts are private") {
  const test::TempDir dir;
  const pid_t child = ::fork();
  if (child == 0) {
    if (::unshare(CLONE_NEWNS) != 0) ::_exit(2);
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) ::_exit(3);
    const auto made = NetNs::create_named(dir / "sltest");
    const auto opened = NetNs::open(dir / "sltest");
    const bool good =
        made && opened && made->inode() == opened->inode() && NetNs::remove_named(dir / "sltest");
    ::_exit(good ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

TEST_CASE("Work inside runs there, and the caller stays where it is") {
  const auto here = NetNs::current()->inode();
  const auto inside = NetNs::create_anonymous();
  REQUIRE(inside);
  ino_t seen = 0;
  CHECK(inside->run_in([&]() -> Status {
    seen = NetNs::current()->inode();
    return {};
  }));
  CHECK(seen == inside->inode());
  CHECK(NetNs::current()->inode() == here);
  const auto failed = inside->run_in([]() -> Status { return fail(Code::kExists, "as told"); });
  CHECK(failed.error().message == "as told");
}

TEST_CASE("remove_tree stops at a mount, also of the same filesystem") {
  const test::TempDir dir;
  dir.file("outside/precious", "x");
  dir.directory("tree/mounted");
  dir.file("tree/z", "x");
  const std::string mount_point = dir / "tree/mounted";
  REQUIRE(::mount((dir / "outside").c_str(), mount_point.c_str(), nullptr, MS_BIND, nullptr) == 0);
  const auto status = remove_tree(dir / "tree");
  ::umount(mount_point.c_str());
  REQUIRE_FALSE(status);
  CHECK(status.error().code == Code::kPrecondition);
  CHECK(std::filesystem::exists(dir / "outside/precious"));
  CHECK(remove_tree(dir / "tree"));
}
