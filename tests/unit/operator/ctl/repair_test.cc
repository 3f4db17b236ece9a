// SPDX-License-Identifier: Apache-2.0
// `sluicectl repair` with a script in sluice-cni's place.
#include "operator/ctl/repair.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "common/os/process.h"
#include "tests/unit/common/temp_dir.h"

using namespace sluice;

namespace {

void make_script(const test::TempDir& dir, const std::string& name) {
  dir.file(name, "#!/bin/sh\necho \"$@\"\nexit 7\n");
  std::filesystem::permissions(dir / name, std::filesystem::perms::owner_all);
}

}  // namespace

TEST_CASE("The program that is named, else the first folder's that has one") {
  const test::TempDir dir;
  make_script(dir, "b/sluice-cni");
  make_script(dir, "c/sluice-cni");
  dir.file("a/sluice-cni", "no program");
  const std::vector<std::string> folders{dir / "a", dir / "b", dir / "c"};
  CHECK(*ctl::find_cni("", folders) == dir / "b/sluice-cni");
  CHECK(*ctl::find_cni("/x", folders) == "/x");
  const auto none = ctl::find_cni("", {dir / "a", dir / "d"});
  REQUIRE_FALSE(none);
  CHECK(none.error().code == Code::kNotFound);
  CHECK(none.error().message.find("--cni") != std::string::npos);
}

TEST_CASE("Arguments go through as they are, and so does the exit status") {
  const test::TempDir dir;
  make_script(dir, "cni");
  const auto exit = os::run_program(
      {SLUICECTL, "repair", "--dry-run", "--cni", dir / "cni", "--state-dir", "/a b", "--json"},
      "");
  REQUIRE(exit);
  CHECK(exit->out == "repair --dry-run --state-dir /a b --json\n");
  CHECK(exit->status == 7);
}

TEST_CASE("A program that can't be started is named") {
  const auto exit = os::run_program({SLUICECTL, "repair", "--cni", "/nowhere/cni"}, "");
  REQUIRE(exit);
  CHECK(exit->status == 1);
  CHECK(exit->err.find("/nowhere/cni") != std::string::npos);
  CHECK(exit->out.empty());
}
