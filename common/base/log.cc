// SPDX-License-Identifier: Apache-2.0
#include "common/base/log.h"

#include <unistd.h>

#include <cstdio>
#include <ctime>

namespace sluice {
namespace {

std::string timestamp() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  tm parts{};
  ::gmtime_r(&now.tv_sec, &parts);
  char out[40];
  const auto n = std::strftime(out, sizeof out, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(out + n, sizeof out - n, ".%03ldZ", now.tv_nsec / 1000000);
  return out;
}

// Both formats: control characters never reach the terminal or break a line in two.
void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (u < 0x20 || u == 0x7f) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", u);
      out += code;
    } else {
      out += c;
    }
  }
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  append_escaped(out, text);
  out += '"';
}

bool needs_quotes(std::string_view text) {
  if (text.empty()) return true;
  for (const char c : text) {
    if (c == ' ' || c == '"' || c == '=' || static_cast<unsigned char>(c) < 0x20) return true;
  }
  return false;
}

class FdSink final : public LogSink {
 public:
  FdSink(int fd, Level lowest, bool json) : fd_(fd), lowest_(lowest), json_(json) {}

  bool wants(Level level) const override { return level >= lowest_; }

  void write(Level level, std::string_view module, std::string_view message, const Field* fields,
             std::size_t count) override {
    std::string line = json_ ? json(level, module, message, fields, count)
                             : text(level, module, message, fields, count);
    line += '\n';
    // A log line that can't be written has nobody left to be reported to.
    [[maybe_unused]] const auto written = ::write(fd_, line.data(), line.size());
  }

 private:
  static std::string text(Level level, std::string_view module, std::string_view message,
                          const Field* fields, std::size_t count) {
    static constexpr const char* kNames[] = {"DEBUG", "INFO ", "WARN ", "ERROR"};
    std::string line = timestamp() + " " + kNames[static_cast<std::size_t>(level)] + " ";
    line += module;
    line += "  ";
    line += message;
    for (std::size_t i = 0; i < count; ++i) {
      line += i == 0 ? "  " : " ";
      line += fields[i].key;
      line += '=';
      if (needs_quotes(fields[i].value)) {
        append_quoted(line, fields[i].value);
      } else {
        append_escaped(line, fields[i].value);
      }
    }
    return line;
  }

  static std::string json(Level level, std::string_view module, std::string_view message,
                          const Field* fields, std::size_t count) {
    std::string line = "{\"time\":\"" + timestamp() + "\",\"level\":\"";
    line += to_string(level);
    line += "\",\"module\":";
    append_quoted(line, module);
    line += ",\"msg\":";
    append_quoted(line, message);
    for (std::size_t i = 0; i < count; ++i) {
      line += ',';
      append_quoted(line, fields[i].key);
      line += ':';
      append_quoted(line, fields[i].value);
    }
    return line + "}";
  }

  int fd_;
  Level lowest_;
  bool json_;
};

class NullSink final : public LogSink {
 public:
  bool wants(Level) const override { return false; }
  void write(Level, std::string_view, std::string_view, const Field*, std::size_t) override {}
};

}  // namespace

Result<Level> parse_level(std::string_view text) {
  for (const auto level : {Level::kDebug, Level::kInfo, Level::kWarn, Level::kError}) {
    if (text == to_string(level)) return level;
  }
  return fail(Code::kInvalid, "log level '" + std::string(text) +
                                  "' is unknown; allowed are debug, info, warn, error");
}

std::string_view to_string(Level level) {
  switch (level) {
    case Level::kDebug:
      return "debug";
    case Level::kInfo:
      return "info";
    case Level::kWarn:
      return "warn";
    case Level::kError:
      return "error";
  }
  return "error";
}

std::shared_ptr<LogSink> make_fd_sink(int fd, Level lowest, bool json) {
  return std::make_shared<FdSink>(fd, lowest, json);
}

std::shared_ptr<LogSink> make_null_sink() { return std::make_shared<NullSink>(); }

}  // namespace sluice
