// SPDX-License-Identifier: Apache-2.0
#include "common/base/log.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <array>
#include <functional>

using namespace sluice;

namespace {

// What a logger writes into a pipe.
std::string written(bool json, Level lowest, const std::function<void(const Logger&)>& log) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  log(Logger(make_fd_sink(ends[1], lowest, json), "planner"));
  ::close(ends[1]);
  std::array<char, 4096> buffer;
  const auto got = ::read(ends[0], buffer.data(), buffer.size());
  ::close(ends[0]);
  return std::string(buffer.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
}

}  // namespace

TEST_CASE("A line holds level, module, message and fields") {
  const auto line = written(false, Level::kInfo, [](const Logger& log) {
    log.info("program changed", {{"added", 3}, {"why", "a b"}, {"ok", true}});
  });
  CHECK(line.find(" INFO  planner  program changed  added=3 why=\"a b\" ok=true\n") !=
        std::string::npos);
}

TEST_CASE("JSON lines are escaped, and data never breaks a line in two") {
  const auto line = written(true, Level::kInfo, [](const Logger& log) {
    log.named("rpc").warn("peer", {{"text", "a\"\n\x1b[0m"}});
  });
  CHECK(line.find(R"("level":"warn","module":"rpc","msg":"peer","text":"a\"\u000a\u001b[0m"})") !=
        std::string::npos);
  CHECK(line.find('\n') == line.size() - 1);
}

TEST_CASE("What is below the lowest level is not written") {
  CHECK(written(false, Level::kWarn, [](const Logger& log) { log.info("nothing"); }).empty());
  Logger().error("to nobody");
}

TEST_CASE("Levels are read by name only") {
  CHECK(*parse_level("debug") == Level::kDebug);
  const auto bad = parse_level("loud");
  REQUIRE_FALSE(bad);
  CHECK(bad.error().message.find("debug, info, warn, error") != std::string::npos);
}
