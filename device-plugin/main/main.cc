// SPDX-License-Identifier: Apache-2.0
// sluice-device-plugin: offers VFs, PFs and subfunctions to the kubelet.
#include <unistd.h>

#include <exception>
#include <iostream>

#include "common/base/log.h"
#include "device-plugin/main/check.h"
#include "device-plugin/main/options.h"
#include "device-plugin/main/serve.h"

namespace sluice::plugin {
namespace {

int run(int argc, char** argv) {
  const auto parsed = parse_options(argc, argv);
  if (parsed.exit) return *parsed.exit;
  const auto& options = parsed.options;
  if (options.check_config) return check_config(options);
  if (!options.save_inventory.empty()) return save_inventory(options);
  const auto level = parse_level(options.log_level);
  if (!level) {
    std::cerr << "--log-level: " << level.error().to_string() << "\n";
    return 2;
  }
  const Logger log(make_fd_sink(STDERR_FILENO, *level, options.log_json), "main");
  const auto status = serve(options, log);
  if (status) return 0;
  log.error("can't go on", {{"error", status.error()}});
  return 1;
}

}  // namespace
}  // namespace sluice::plugin

int main(int argc, char** argv) {
  try {
    return sluice::plugin::run(argc, argv);
  } catch (const std::exception& error) {  // CLI11's and the standard library's
    std::cerr << "sluice-device-plugin: " << error.what() << "\n";
    return 1;
  }
}
