// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/broker/config_feed.h"

#include <filesystem>
#include <fstream>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/common/temp_dir.h"

namespace sluice::broker {
namespace {

using std::chrono::milliseconds;

constexpr const char* kOnePool = R"({"pools":[{"name":"vf","selectors":{}}]})";
constexpr const char* kTwoPools =
    R"({"pools":[{"name":"vf","selectors":{"drivers":["a"]}},{"name":"b","selectors":{}}]})";

// A loop that runs until a configuration arrives, or a time is over.
struct Bench {
  test::TempDir directory;
  std::string path = std::string(directory.path()) + "/config.json";
  std::unique_ptr<os::EventLoop> loop = std::move(*os::EventLoop::create());
  std::vector<config::Config> arrived;
  std::unique_ptr<ConfigFeed> feed;
  bool waiting = false;

  void write(const std::string& text) { std::ofstream(path, std::ios::trunc) << text; }
  void start(const std::string& file) {
    feed = std::make_unique<ConfigFeed>(
        *loop, file, std::nullopt, milliseconds(20),
        [this](config::Config config) {
          arrived.push_back(std::move(config));
          if (waiting) loop->stop();
        },
        Logger());
    feed->start();
  }
  // False: nothing came in that time.
  bool wait(milliseconds patience = std::chrono::seconds(10)) {
    const auto before = arrived.size();
    const auto timer = loop->after(patience, [this] { loop->stop(); });
    waiting = true;
    loop->run();
    waiting = false;
    loop->cancel(timer);
    return arrived.size() > before;
  }
};

}  // namespace

TEST_CASE("without a file the default pool is the configuration") {
  Bench bench;
  bench.start("");
  REQUIRE(bench.arrived.size() == 1);
  REQUIRE(bench.arrived[0].pools.size() == 1);
  CHECK(bench.arrived[0].pools[0].resource() == "sluice.dev/vf");
}

TEST_CASE("a missing file means no pools until it comes") {
  Bench bench;
  bench.start(bench.path);
  REQUIRE(bench.arrived.size() == 1);
  CHECK(bench.arrived[0].pools.empty());
  CHECK(bench.feed->state().error.find("config.json") != std::string::npos);
  bench.write(kOnePool);
  REQUIRE(bench.wait());
  CHECK(bench.arrived.back().pools.size() == 1);
  CHECK(bench.feed->state().error.empty());
}

TEST_CASE("a change is taken, a mistake leaves the last good one in force") {
  Bench bench;
  bench.write(kOnePool);
  bench.start(bench.path);
  REQUIRE(bench.arrived.size() == 1);
  bench.write(kTwoPools);
  REQUIRE(bench.wait());
  CHECK(bench.arrived.back().pools.size() == 2);
  bench.write("{");
  CHECK_FALSE(bench.wait(milliseconds(300)));
  CHECK_FALSE(bench.feed->state().error.empty());
  bench.write(R"({"resourceList":[{"resourcePrefix":"sluice.dev",
                             "resourceName":"vf","selectors":{"driver":["a"]}}]})");
  CHECK_FALSE(bench.wait(milliseconds(300)));
  CHECK(bench.feed->state().error.find("sluice.dev/vf") != std::string::npos);
  bench.write(kOnePool);
  REQUIRE(bench.wait());
  CHECK(bench.arrived.back().pools.size() == 1);
}

TEST_CASE("a mounted ConfigMap changes by a link") {
  Bench bench;
  const std::filesystem::path root(bench.directory.path());
  for (const auto& [name, text] : {std::pair{"v1", kOnePool}, std::pair{"v2", kTwoPools}}) {
    std::filesystem::create_directory(root / name);
    std::ofstream(root / name / "config.json") << text;
  }
  std::filesystem::create_symlink("v1", root / "..data");
  std::filesystem::create_symlink("..data/config.json", root / "config.json");
  bench.start(bench.path);
  CHECK(bench.arrived.back().pools.size() == 1);
  std::filesystem::create_symlink("v2", root / "..tmp");
  std::filesystem::rename(root / "..tmp", root / "..data");
  REQUIRE(bench.wait());
  CHECK(bench.arrived.back().pools.size() == 2);
}

}  // namespace sluice::broker
