// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cstdio>

#include "offload/main/daemon.h"
#include "offload/main/flags.h"

int main(int argc, char** argv) {
  int exit_code = 0;
  const auto flags = sluice::offloadd::parse_flags(argc, argv, exit_code);
  if (!flags) return exit_code;
  const auto level = sluice::parse_level(flags->log_level);
  const sluice::Logger log(
      sluice::make_fd_sink(STDERR_FILENO, level.value_or(sluice::Level::kInfo), flags->log_json),
      "offloadd");
  if (const auto done = sluice::offloadd::run(*flags, log); !done) {
    std::fprintf(stderr, "sluice-offloadd: %s\n", done.error().to_string().c_str());
    return 1;
  }
  return 0;
}
