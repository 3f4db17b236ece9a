// SPDX-License-Identifier: Apache-2.0
// The program's flags, by running it against sockets that are not there.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "common/os/process.h"

namespace {

sluice::os::Exit run(std::vector<std::string> arguments, const std::string& variable = "") {
  std::vector<std::string> argv = {"/usr/bin/env", "-i"};
  if (!variable.empty()) argv.push_back(variable);
  argv.push_back(SLUICECTL);
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  const auto exit = sluice::os::run_program(argv, "", std::chrono::seconds(30));
  REQUIRE(exit);
  return *exit;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("--socket before 'devices' is refused, after it is used") {
  const auto before = run({"--socket", "/nowhere/a.sock", "devices"});
  CHECK(before.status != 0);
  CHECK(has(before.err, "sluicectl devices --socket"));
  CHECK_FALSE(has(before.err, "sluice-device-plugin running"));
  const auto after = run({"devices", "--socket", "/nowhere/b.sock"});
  CHECK(has(after.err, "/nowhere/b.sock"));
}

TEST_CASE("the engine's socket from the option, the variable, or not at all") {
  CHECK(has(run({"--socket", "/nowhere/a.sock", "status"}).err, "/nowhere/a.sock"));
  CHECK(has(run({"status"}, "SLUICE_SOCKET=/nowhere/c.sock").err, "/nowhere/c.sock"));
  // The variable may be set for good: it is none of devices' business.
  const auto devices =
      run({"devices", "--socket", "/nowhere/b.sock"}, "SLUICE_SOCKET=/nowhere/c.sock");
  CHECK(has(devices.err, "/nowhere/b.sock"));
}
