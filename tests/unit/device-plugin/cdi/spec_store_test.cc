// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/cdi/spec_store.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <string>

#include "common/os/files.h"
#include "tests/unit/common/temp_dir.h"

namespace sluice::cdi {
namespace {

using Sets = std::set<std::string>;

Spec spec(const std::string& device, const std::string& node = "/dev/x") {
  return {"sluice.dev/vf", {{device, {{node, node, "rw"}}, {}, {}}}};
}

ino_t inode(const std::string& path) {
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_ino;
}

Sets files_in(const std::string& directory) {
  Sets out;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    out.insert(entry.path().filename());
  }
  return out;
}

TEST_CASE("A set is one file, replaced when it changes and only then") {
  const test::TempDir dir;
  auto store = SpecStore::open(dir / "run/cdi");
  REQUIRE(store);
  REQUIRE(store->put("pool-vf", spec("a")));
  const std::string path = dir / "run/cdi/sluice-dp-pool-vf.json";
  CHECK(*os::read_file(path) == render(spec("a")));
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777U) == 0644);

  const auto first = inode(path);
  REQUIRE(store->put("pool-vf", spec("a")));
  CHECK(inode(path) == first);
  REQUIRE(store->put("pool-vf", spec("b")));
  CHECK(inode(path) != first);
  CHECK(*os::read_file(path) == render(spec("b")));
  // Also when somebody else wrote into it.
  dir.file("run/cdi/sluice-dp-pool-vf.json", "nonsense");
  REQUIRE(store->put("pool-vf", spec("b")));
  CHECK(*os::read_file(path) == render(spec("b")));
  CHECK(files_in(dir / "run/cdi") == Sets{"sluice-dp-pool-vf.json"});
}

TEST_CASE("Sets outlive the store, with names of any kind") {
  const test::TempDir dir;
  const Sets names = {"pool-sluice.dev/vf", "claim-6f1e", "a b_c", "..", "\xff"};
  {
    auto store = SpecStore::open(dir / "cdi");
    REQUIRE(store);
    for (const auto& name : names) REQUIRE(store->put(name, spec("a")));
  }
  auto store = SpecStore::open(dir / "cdi");
  REQUIRE(store);
  CHECK(*store->sets() == names);
  for (const auto& name : names) CHECK(store->remove(name));
  CHECK(store->remove("claim-6f1e"));
  CHECK(store->sets()->empty());
  CHECK(files_in(dir / "cdi").empty());
}

TEST_CASE("A set without devices has no file") {
  const test::TempDir dir;
  auto store = SpecStore::open(dir / "cdi");
  REQUIRE(store);
  REQUIRE(store->put("pool-vf", {"sluice.dev/vf", {}}));
  CHECK(store->sets()->empty());
  REQUIRE(store->put("pool-vf", spec("a")));
  REQUIRE(store->put("pool-vf", {"sluice.dev/vf", {}}));
  CHECK(store->sets()->empty());
}

TEST_CASE("A set that can't be is refused") {
  const test::TempDir dir;
  auto store = SpecStore::open(dir / "cdi");
  REQUIRE(store);
  CHECK(store->put("", spec("a")).error().code == Code::kInvalid);
  CHECK(store->put(std::string(300, 'a'), spec("a")).error().code == Code::kInvalid);
  Spec twice = spec("a");
  twice.devices.push_back(twice.devices[0]);
  const auto refused = store->put("pool-vf", twice);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message == "CDI device set 'pool-vf' has device 'a' twice");
  CHECK(files_in(dir / "cdi").empty());
}

TEST_CASE("sweep removes ours that nobody names, and unfinished ones, and nothing else") {
  const test::TempDir dir;
  auto store = SpecStore::open(dir / "cdi");
  REQUIRE(store);
  for (const auto* name : {"pool-vf", "pool-old", "claim-1"}) REQUIRE(store->put(name, spec("a")));
  dir.file("cdi/sluice-dp-pool-vf.json.AbC123", "half");
  dir.file("cdi/sluice-dp-pool-vf.json.bak", "somebody's copy");
  dir.file("cdi/sluice-dp-notes.yaml", "");
  dir.file("cdi/sluice-dp-.json", "");
  dir.file("cdi/sluice-dp-a_zz.json", "");
  dir.file("cdi/sriov-dp-x.json", "");
  dir.file("cdi/nvidia.yaml", "");
  REQUIRE(store->sweep({"pool-vf", "claim-1", "not-there"}));
  CHECK(files_in(dir / "cdi") == Sets{"sluice-dp-pool-vf.json", "sluice-dp-claim-1.json",
                                      "sluice-dp-pool-vf.json.bak", "sluice-dp-notes.yaml",
                                      "sluice-dp-.json", "sluice-dp-a_zz.json", "sriov-dp-x.json",
                                      "nvidia.yaml"});
}

TEST_CASE("A directory that can't be made is an error") {
  const test::TempDir dir;
  dir.file("run", "a file");
  CHECK_FALSE(SpecStore::open(dir / "run/cdi"));
}

}  // namespace
}  // namespace sluice::cdi
