// SPDX-License-Identifier: Apache-2.0
// device_plugin: our device plugin beside the peer, on the same machine of files and the same
// kubelet. See README.md.
#include <cstdlib>
#include <iostream>

#include "tests/bench/device_plugin/phases.h"
#include "tests/bench/device_plugin/workplace.h"

namespace sluice::bench {
namespace {

Status run() {
  const char* only = std::getenv("SLUICE_BENCH_ONLY");
  // Not a name of this program's: nothing to build a peer for.
  const std::string prefix = only == nullptr ? "" : only;
  const std::string mine = "device-plugin.";
  if (!prefix.starts_with(mine) && !mine.starts_with(prefix)) return {};
  SLUICE_TRY(const auto workplace, Workplace::make());
  const Bench bench{workplace.path(), Figures(prefix), peer_program()};
  SLUICE_CHECK_OK(run_start(bench));
  SLUICE_CHECK_OK(run_allocate(bench));
  return run_idle(bench);
}

}  // namespace
}  // namespace sluice::bench

int main() {
  const auto status = sluice::bench::run();
  if (status) return 0;
  std::cerr << "device-plugin: " << status.error().to_string() << "\n";
  return 1;
}
