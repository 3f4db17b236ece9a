// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/broker/config_feed.h"

#include <utility>

#include "common/os/files.h"

namespace sluice::broker {
namespace {

// An editor writes in several steps: look once after them.
constexpr auto kSettle = std::chrono::milliseconds(50);

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

ConfigFeed::ConfigFeed(os::EventLoop& loop, std::string path,
                       std::optional<std::string> default_prefix, Duration period, Changed changed,
                       Logger log)
    : loop_(loop),
      path_(std::move(path)),
      default_prefix_(std::move(default_prefix)),
      changed_(std::move(changed)),
      log_(std::move(log)) {
  if (!path_.empty()) timer_ = loop_.every(period, [this] { look(); });
}

ConfigFeed::~ConfigFeed() {
  if (!path_.empty()) loop_.cancel(timer_);
  if (soon_set_) loop_.cancel(soon_);
}

void ConfigFeed::start() {
  if (path_.empty()) {
    take(config::default_config(default_prefix_.value_or("sluice.dev")));
    return;
  }
  look();
  if (!current_) take(config::Config{});
}

void ConfigFeed::look() {
  watch();
  auto config = read();
  if (!config) {
    const auto error = config.error().to_string();
    if (error == state_.error) return;
    state_.error = error;
    ++state_.refused;
    log_.error("this configuration is not taken",
               {{"file", path_},
                {"error", error},
                {"in force", current_ ? "the last good one" : "no pools"}});
    return;
  }
  if (!state_.error.empty()) log_.info("the configuration is good again", {{"file", path_}});
  state_.error.clear();
  if (!current_ || *config != *current_) take(std::move(*config));
}

Result<config::Config> ConfigFeed::read() const {
  SLUICE_TRY(const auto text, os::read_file(path_, config::kMaxConfigBytes));
  auto parsed = config::parse_config(text, default_prefix_);
  if (!parsed) return fail(std::move(parsed).error().with("reading " + path_));
  // A slip in a pool that is in force must not take it away from the node.
  for (const auto& refused : parsed->refused) {
    if (!current_) break;
    for (const auto& pool : current_->pools) {
      if (pool.resource() != refused.resource) continue;
      return fail(Code::kInvalid, path_ + ": " + refused.resource + ": " + refused.reason);
    }
  }
  return parsed;
}

void ConfigFeed::take(config::Config config) {
  for (const auto& warning : config.warnings) {
    log_.warn("configuration", {{"where", warning.where}, {"what", warning.what}});
  }
  for (const auto& refused : config.refused) {
    log_.error("pool refused", {{"resource", refused.resource}, {"reason", refused.reason}});
  }
  log_.info("configuration", {{"pools", config.pools.size()}, {"file", path_}});
  current_ = config;
  ++state_.taken;
  changed_(std::move(config));
}

void ConfigFeed::watch() {
  if (directory_ && directory_->alive()) return;
  directory_.reset();
  // Where it can't be watched, or isn't there yet, the timer does the work.
  auto watch = os::DirectoryWatch::open(loop_, directory_of(path_), [this] {
    if (soon_set_) return;
    soon_set_ = true;
    soon_ = loop_.after(kSettle, [this] {
      soon_set_ = false;
      look();
    });
  });
  if (watch) directory_ = std::move(*watch);
}

}  // namespace sluice::broker
