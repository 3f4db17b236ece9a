// SPDX-License-Identifier: Apache-2.0
#include "common/os/directory_watch.h"

#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <functional>

#include "tests/unit/common/temp_dir.h"

namespace sluice::os {
namespace {

struct Lab {
  std::unique_ptr<EventLoop> loop = std::move(*EventLoop::create());
  test::TempDir dir;
  unsigned changes = 0;

  std::unique_ptr<DirectoryWatch> watch(const std::string& name) {
    auto made = DirectoryWatch::open(*loop, dir / name, [this] {
      ++changes;
      loop->stop();
    });
    REQUIRE(made);
    return std::move(*made);
  }
  // Runs the loop until a change was told; the limit is only for what is broken.
  bool told() {
    const auto before = changes;
    const auto limit = loop->after(std::chrono::seconds(20), [this] { loop->stop(); });
    loop->run();
    loop->cancel(limit);
    return changes > before;
  }
  // inotify has told all there is when the loop, asked to stop, gets round to it.
  bool silent() {
    const auto before = changes;
    loop->after(std::chrono::milliseconds(50), [this] { loop->stop(); });
    loop->run();
    return changes == before;
  }
};

TEST_CASE("entries come, go and are replaced; what is in files doesn't matter") {
  Lab lab;
  lab.dir.directory("d");
  const auto watch = lab.watch("d");
  lab.dir.file("d/a", "1");
  CHECK(lab.told());
  std::filesystem::rename(lab.dir / "d/a", lab.dir / "d/b");
  CHECK(lab.told());
  lab.dir.file("d/b", "2");
  CHECK(lab.silent());
  std::filesystem::remove(lab.dir / "d/b");
  CHECK(lab.told());
  CHECK(watch->alive());
  lab.dir.file("elsewhere", "");
  CHECK(lab.silent());
}

TEST_CASE("a directory that goes takes the watch with it") {
  Lab lab;
  lab.dir.directory("d");
  const auto watch = lab.watch("d");
  SUBCASE("removed") { std::filesystem::remove(lab.dir / "d"); }
  SUBCASE("moved") { std::filesystem::rename(lab.dir / "d", lab.dir / "e"); }
  CHECK(lab.told());
  CHECK_FALSE(watch->alive());
}

TEST_CASE("what isn't there, or no directory, can't be watched") {
  Lab lab;
  CHECK(DirectoryWatch::open(*lab.loop, lab.dir / "none", [] {}).error().code == Code::kNotFound);
  lab.dir.file("file", "");
  CHECK_FALSE(DirectoryWatch::open(*lab.loop, lab.dir / "file", [] {}));
}

TEST_CASE("the callback may destroy its watch; a destroyed watch tells nothing") {
  Lab lab;
  lab.dir.directory("d");
  std::unique_ptr<DirectoryWatch> watch;
  auto made = DirectoryWatch::open(*lab.loop, lab.dir / "d", [&] {
    ++lab.changes;
    watch.reset();
    lab.loop->stop();
  });
  REQUIRE(made);
  watch = std::move(*made);
  lab.dir.file("d/a", "");
  CHECK(lab.told());
  CHECK(watch == nullptr);
  lab.dir.file("d/b", "");
  CHECK(lab.silent());
}

}  // namespace
}  // namespace sluice::os
