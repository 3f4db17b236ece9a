// SPDX-License-Identifier: Apache-2.0
// The watch over a real directory and a real loop; each test waits for the next report, not for
// time.
#include "offload/sources/manifest_watch.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <deque>
#include <fstream>
#include <optional>

#include "common/os/files.h"

using namespace sluice;
using namespace sluice::sources;

namespace {

std::string service(const std::string& name) {
  return "{apiVersion: v1, kind: Service, metadata: {name: " + name +
         "}, spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}}\n";
}

class Fixture {
 public:
  Fixture() {
    char pattern[] = "/tmp/sl-watch-XXXXXX";
    REQUIRE(::mkdtemp(pattern) != nullptr);
    directory = pattern;
    loop = os::EventLoop::create().value();
  }
  ~Fixture() {
    watch.reset();
    (void)os::remove_tree(directory);
  }

  void write(const std::string& name, const std::string& content) {
    std::ofstream(directory + "/" + name) << content;
  }
  void replace(const std::string& name, const std::string& content) {
    REQUIRE(os::write_file_atomic(directory + "/" + name, content));
  }
  void link(const std::string& target, const std::string& name) {
    REQUIRE(::symlink(target.c_str(), (directory + "/.new").c_str()) == 0);
    REQUIRE(::rename((directory + "/.new").c_str(), (directory + "/" + name).c_str()) == 0);
  }
  void start(const std::string& name) {
    auto started = ManifestWatch::start(*loop, directory + "/" + name, [this](Result<Manifest> m) {
      reports.push_back(std::move(m));
      loop->stop();
    });
    REQUIRE(started);
    watch = *std::move(started);
  }
  // The next report, as the name of the one service in it, or "error".
  std::string next() {
    const auto guard = loop->after(std::chrono::seconds(30), [this] { loop->stop(); });
    if (reports.empty()) loop->run();
    loop->cancel(guard);
    if (reports.empty()) return "(nothing came)";
    auto report = std::move(reports.front());
    reports.pop_front();
    if (!report) return "error";
    return report->services.empty() ? "" : report->services.front().name;
  }

  std::string directory;
  std::unique_ptr<os::EventLoop> loop;
  std::unique_ptr<ManifestWatch> watch;
  std::deque<Result<Manifest>> reports;
};

}  // namespace

TEST_CASE("the first version, a rewrite in place, and a replacement by rename") {
  Fixture f;
  f.write("m.yaml", service("a"));
  f.start("m.yaml");
  CHECK(f.next() == "default/a");
  f.write("m.yaml", service("b"));
  CHECK(f.next() == "default/b");
  f.replace("m.yaml", service("c"));
  CHECK(f.next() == "default/c");
}

TEST_CASE("an invalid version is reported, the next good one too") {
  Fixture f;
  f.write("m.yaml", service("a"));
  f.start("m.yaml");
  CHECK(f.next() == "default/a");
  f.write("m.yaml", "kind: nonsense\n");
  CHECK(f.next() == "error");
  f.write("m.yaml", service("a"));
  CHECK(f.next() == "default/a");
}

TEST_CASE("a file that isn't there yet, comes, goes and comes again") {
  Fixture f;
  f.start("m.yaml");
  CHECK(f.next() == "error");
  f.write("m.yaml", service("a"));
  CHECK(f.next() == "default/a");
  REQUIRE(::unlink((f.directory + "/m.yaml").c_str()) == 0);
  CHECK(f.next() == "error");
  f.replace("m.yaml", service("a"));
  CHECK(f.next() == "default/a");
}

TEST_CASE("symbolic links are followed: swapped ones, and edits where they lead to") {
  Fixture f;
  for (const char* name : {"v1", "v2"})
    REQUIRE(::mkdir((f.directory + "/" + name).c_str(), 0755) == 0);
  f.write("v1/m.yaml", service("a"));
  f.write("v2/m.yaml", service("b"));
  f.link("v1", "data");
  f.link("data/m.yaml", "m.yaml");
  f.start("m.yaml");
  CHECK(f.next() == "default/a");
  f.link("v2", "data");
  CHECK(f.next() == "default/b");
  f.write("v2/m.yaml", service("c"));
  CHECK(f.next() == "default/c");
}

TEST_CASE("the same content again, and other files beside it, are no news") {
  Fixture f;
  f.write("m.yaml", service("a"));
  f.start("m.yaml");
  CHECK(f.next() == "default/a");
  f.write("other.yaml", service("x"));
  f.replace("m.yaml", service("a"));
  f.write("other.yaml", service("y"));
  // Gathered within 50 ms at most; then a real change must be the first report.
  bool waited = false;
  f.loop->after(std::chrono::milliseconds(150), [&] {
    waited = true;
    f.loop->stop();
  });
  while (!waited) f.loop->run();
  CHECK(f.reports.empty());
  f.write("m.yaml", service("b"));
  CHECK(f.next() == "default/b");
}

TEST_CASE("the callback may destroy the watch") {
  Fixture f;
  f.write("m.yaml", service("a"));
  std::unique_ptr<ManifestWatch> watch;
  watch = ManifestWatch::start(*f.loop, f.directory + "/m.yaml", [&](Result<Manifest>) {
            watch.reset();
            f.loop->stop();
          }).value();
  f.loop->run();
  CHECK(watch == nullptr);
}

TEST_CASE("a directory that doesn't exist is an error at once") {
  Fixture f;
  const auto watch =
      ManifestWatch::start(*f.loop, f.directory + "/none/m.yaml", [](Result<Manifest>) {});
  REQUIRE_FALSE(watch);
  CHECK(watch.error().code == Code::kNotFound);
  CHECK(watch.error().message.find("/none") != std::string::npos);
}
