// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <string>

#include "common/os/files.h"
#include "device-plugin/devinfo/devinfo.h"
#include "tests/unit/common/temp_dir.h"

namespace sluice::devinfo {
namespace {

std::set<std::string> files_in(const std::string& directory) {
  std::set<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    out.insert(entry.path().filename());
  }
  return out;
}

TEST_CASE("A file is made with its directory, read-only, and replaced when it changes") {
  const test::TempDir dir;
  Store store(dir / "devinfo/dp");
  REQUIRE(store.put("sluice.dev/vf", "0000:3b:00.2", "one"));
  const std::string path = dir / "devinfo/dp/sluice.dev-vf-0000:3b:00.2-device.json";
  CHECK(*os::read_file(path) == "one");
  struct stat first {
  }, second{};
  REQUIRE(::stat(path.c_str(), &first) == 0);
  CHECK((first.st_mode & 0777U) == 0444);
  REQUIRE(store.put("sluice.dev/vf", "0000:3b:00.2", "one"));
  REQUIRE(::stat(path.c_str(), &second) == 0);
  CHECK(first.st_ino == second.st_ino);
  REQUIRE(store.put("sluice.dev/vf", "0000:3b:00.2", "longer"));
  CHECK(*os::read_file(path) == "longer");
  REQUIRE(store.put("sluice.dev/vf", "0000:3b:00.2", "x"));
  CHECK(*os::read_file(path) == "x");
  CHECK(files_in(dir / "devinfo/dp").size() == 1);
  // Somebody removed the directory under us.
  std::filesystem::remove_all(dir / "devinfo");
  REQUIRE(store.put("sluice.dev/vf", "0000:3b:00.2", "x"));
  CHECK(*os::read_file(path) == "x");
  REQUIRE(store.put("sluice.dev/vf", "0000:3b:00.2", ""));
  CHECK(files_in(dir / "devinfo/dp").empty());
}

TEST_CASE("sweep removes a resource's files of devices that nobody has, and no others'") {
  const test::TempDir dir;
  Store store(dir.path());
  for (const std::string id : {"0000:3b:00.2", "0000:3b:00.3", "mlx5_core.sf.4"}) {
    REQUIRE(store.put("sluice.dev/vf", id, "x"));
    REQUIRE(store.put("sluice.dev/vf-fast", id, "x"));
  }
  dir.file("sluice.dev-vf-0000:3b:00.5-device.json.AbC123", "half");
  dir.file("sluice.dev-vf-fast-0000:3b:00.1-device.json.AbC123", "another's half");
  dir.file("sluice.dev-vf-notes-device.json", "");
  dir.file("sluice.dev-vf--device.json", "");
  dir.file("sluice.dev-vf-0000:3b:00.2-device.json.bak", "");
  REQUIRE(store.sweep("sluice.dev/vf", {"0000:3b:00.3", "0000:ff:00.0"}));
  CHECK(files_in(dir.path()) ==
        std::set<std::string>{
            "sluice.dev-vf-0000:3b:00.3-device.json", "sluice.dev-vf-fast-0000:3b:00.2-device.json",
            "sluice.dev-vf-fast-0000:3b:00.3-device.json",
            "sluice.dev-vf-fast-mlx5_core.sf.4-device.json",
            "sluice.dev-vf-fast-0000:3b:00.1-device.json.AbC123", "sluice.dev-vf-notes-device.json",
            "sluice.dev-vf--device.json", "sluice.dev-vf-0000:3b:00.2-device.json.bak"});
}

TEST_CASE("Without a directory there is nothing to sweep; one that can't be made is an error") {
  const test::TempDir dir;
  CHECK(Store(dir / "none").sweep("sluice.dev/vf", {}));
  dir.file("blocked", "a file");
  CHECK_FALSE(Store(dir / "blocked/dp").put("sluice.dev/vf", "0000:3b:00.2", "x"));
}

}  // namespace
}  // namespace sluice::devinfo
