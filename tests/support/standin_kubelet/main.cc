// SPDX-License-Identifier: Apache-2.0
// standin-kubelet: flags and wiring. See README.md.
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>

#include "common/base/log.h"
#include "common/os/event_loop.h"
#include "tests/support/standin_kubelet/control.h"
#include "tests/support/standin_kubelet/kubelet.h"

namespace sluice::standin {
namespace {

Status serve(const std::string& directory, const std::string& control, bool watcher,
             const Logger& log) {
  SLUICE_TRY(const auto loop, os::EventLoop::create());
  // Before gRPC starts its threads: they inherit the blocked signals.
  SLUICE_CHECK_OK(loop->on_signals({SIGTERM, SIGINT}, [&](int) { loop->stop(); }));
  Kubelet kubelet(directory, watcher, log);
  SLUICE_CHECK_OK(kubelet.start());
  SLUICE_TRY(const auto server, ControlServer::listen(*loop, control, kubelet));
  loop->run();
  return {};
}

}  // namespace
}  // namespace sluice::standin

int main(int argc, char** argv) {
  ::setenv("GRPC_ENABLE_FORK_SUPPORT", "false", 1);
  std::string directory, control, registry = "yes";
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--dir") directory = argv[i + 1];
    if (flag == "--control") control = argv[i + 1];
    if (flag == "--plugins-registry") registry = argv[i + 1];
  }
  const bool known = registry == "yes" || registry == "no";
  if (directory.empty() || control.empty() || !known || argc % 2 == 0) {
    std::cerr << "usage: standin-kubelet --dir DIR --control SOCK [--plugins-registry yes|no]\n";
    return 2;
  }
  const sluice::Logger log(sluice::make_fd_sink(STDERR_FILENO, sluice::Level::kInfo, false),
                           "kubelet");
  const auto status = sluice::standin::serve(directory, control, registry == "yes", log);
  if (status) return 0;
  log.error("can't go on", {{"error", status.error()}});
  return 1;
}
