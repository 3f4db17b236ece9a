// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ipam/address_store.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "tests/unit/common/temp_dir.h"

namespace sluice::cni {
namespace {

IpAddr ip(const char* text) { return IpAddr::parse(text).value(); }

TEST_CASE("entries are files with the owner, and each set has its own mark") {
  const test::TempDir dir;
  const auto folder = dir / "a/b";
  CHECK(read_addresses(folder).value().empty());
  {
    auto store = LockedAddresses::open(folder).value();
    CHECK_FALSE(store.last_given(0));
    REQUIRE(store.give(ip("10.0.0.2"), "c/eth0", 0));
    REQUIRE(store.give(ip("fd00::2"), "c/eth0", 1));
    CHECK(store.last_given(0) == ip("10.0.0.2"));
    CHECK(store.last_given(1) == ip("fd00::2"));
  }
  CHECK(os::read_file(folder + "/fd00::2").value() == "c/eth0");
  CHECK(read_addresses(folder).value() ==
        AddressOwners{{ip("10.0.0.2"), "c/eth0"}, {ip("fd00::2"), "c/eth0"}});
  REQUIRE(release_addresses(folder, "another/eth0"));
  CHECK(read_addresses(folder).value().size() == 2);
  REQUIRE(release_addresses(folder, "c/eth0"));
  REQUIRE(release_addresses(folder, "c/eth0"));
  CHECK(read_addresses(folder).value().empty());
  CHECK(LockedAddresses::open(folder)->last_given(0) == ip("10.0.0.2"));
}

TEST_CASE("an owner that could not be read again is refused") {
  const test::TempDir dir;
  auto store = LockedAddresses::open(dir.path()).value();
  CHECK_FALSE(store.give(ip("10.0.0.2"), "", 0));
  CHECK_FALSE(store.give(ip("10.0.0.2"), std::string(1025, 'x'), 0));
  CHECK(read_addresses(dir.path()).value().empty());
}

TEST_CASE("what can't be read keeps its own address and nothing else") {
  const test::TempDir dir;
  dir.file("10.0.0.2", "");                      // cut
  dir.file("10.0.0.3", std::string(2000, 'x'));  // too long
  dir.directory("10.0.0.4");                     // no file
  dir.link("10.0.0.5", "10.0.0.5");              // a loop
  dir.file("10.0.0.6", "c/eth0");
  dir.file("010.0.0.7", "c/eth0");  // no address as we write it
  dir.file("FD00::1", "c/eth0");
  dir.file("README", "c/eth0");
  const auto owners = read_addresses(dir.path()).value();
  CHECK(owners == AddressOwners{{ip("10.0.0.2"), {}},
                                {ip("10.0.0.3"), {}},
                                {ip("10.0.0.4"), {}},
                                {ip("10.0.0.5"), {}},
                                {ip("10.0.0.6"), "c/eth0"}});
  REQUIRE(release_addresses(dir.path(), "c/eth0"));
  CHECK(read_addresses(dir.path()).value().size() == 4);
}

TEST_CASE("a release also takes away what a crash left, and leaves other files alone") {
  const test::TempDir dir;
  dir.file("10.0.0.2.a1B2c3", "c/et");
  dir.file("fd00::2.a1B2c3", "");
  dir.file("notes.a1B2c3", "a person's");
  REQUIRE(release_addresses(dir.path(), "c/eth0"));
  CHECK_FALSE(std::filesystem::exists(dir / "10.0.0.2.a1B2c3"));
  CHECK_FALSE(std::filesystem::exists(dir / "fd00::2.a1B2c3"));
  CHECK(std::filesystem::exists(dir / "notes.a1B2c3"));
}

TEST_CASE("where nothing can be written, nothing is given, and having none is no failure") {
  // A file where the directory should be: root is stopped by it too.
  const test::TempDir dir;
  dir.file("state", "");
  const auto refused = LockedAddresses::open(dir / "state/pool");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find(dir / "state") != std::string::npos);
  // /proc takes no lock file.
  CHECK_FALSE(LockedAddresses::open("/proc/self"));
  CHECK(release_addresses("/proc/self", "c/eth0"));
}

}  // namespace
}  // namespace sluice::cni
