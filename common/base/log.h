// SPDX-License-Identifier: Apache-2.0
// The log front: a constant message plus key/value fields, to a sink that main() passes in.
//
// Contract: a Logger is a cheap value; copy it, give each module its own with named(). The message
// never holds data: data goes into fields, so that lines can be counted and searched.
// Threading: Logger and the sinks of this folder may be used from any thread.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace sluice {

enum class Level : std::uint8_t { kDebug, kInfo, kWarn, kError };

Result<Level> parse_level(std::string_view text);  // debug, info, warn, error
std::string_view to_string(Level level);

struct Field {
  std::string_view key;
  std::string value;

  Field(std::string_view k, std::string v) : key(k), value(std::move(v)) {}
  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(v) {}
  Field(std::string_view k, bool v) : key(k), value(v ? "true" : "false") {}
  template <std::integral T>
  requires(!std::same_as<T, bool>) Field(std::string_view k, T v)
      : key(k), value(std::to_string(v)) {}
  Field(std::string_view k, const Error& e) : key(k), value(e.to_string()) {}
};

class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual bool wants(Level level) const = 0;
  virtual void write(Level level, std::string_view module, std::string_view message,
                     const Field* fields, std::size_t count) = 0;
};

// One line an event on a file descriptor (not owned), written by one write(2).
//   text: 2026-01-02T03:04:05.678Z INFO  planner  program changed  added=3 removed=1
//   json: {"time":"...","level":"info","module":"planner","msg":"program changed","added":"3"}
std::shared_ptr<LogSink> make_fd_sink(int fd, Level lowest, bool json);
std::shared_ptr<LogSink> make_null_sink();

class Logger {
 public:
  Logger() : Logger(make_null_sink(), "") {}
  Logger(std::shared_ptr<LogSink> sink, std::string module)
      : sink_(std::move(sink)), module_(std::move(module)) {}

  Logger named(std::string module) const { return Logger(sink_, std::move(module)); }

  using Fields = std::initializer_list<Field>;
  void debug(std::string_view message, Fields fields = {}) const {
    log(Level::kDebug, message, fields);
  }
  void info(std::string_view message, Fields fields = {}) const {
    log(Level::kInfo, message, fields);
  }
  void warn(std::string_view message, Fields fields = {}) const {
    log(Level::kWarn, message, fields);
  }
  void error(std::string_view message, Fields fields = {}) const {
    log(Level::kError, message, fields);
  }
  bool wants(Level level) const { return sink_->wants(level); }

 private:
  void log(Level level, std::string_view message, Fields fields) const {
    if (sink_->wants(level)) sink_->write(level, module_, message, fields.begin(), fields.size());
  }

  std::shared_ptr<LogSink> sink_;
  std::string module_;
};

}  // namespace sluice
