// SPDX-License-Identifier: Apache-2.0
#include "common/os/files.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "tests/unit/common/temp_dir.h"

using namespace sluice;
using namespace sluice::os;

TEST_CASE("A root reads files, lines, directories and links below it") {
  const test::TempDir dir;
  dir.file("a/number", "7\n");
  dir.file("a/text", "one\ntwo\n");
  dir.link("b", "a/number");
  const auto root = *Root::open(dir.path());
  CHECK(*root.read("a/number") == "7\n");
  CHECK(*root.read_line("a/number") == "7");
  CHECK(*root.read_line("b") == "7");
  CHECK(*root.read_link("b") == "a/number");
  CHECK(*root.list(".") == std::vector<std::string>{"a", "b"});
  CHECK(*root.list("a") == std::vector<std::string>{"number", "text"});
  CHECK(root.exists("a/../b"));
  CHECK_FALSE(root.exists("c"));
  CHECK(root.read("c").error().code == Code::kNotFound);
  CHECK_FALSE(root.read_line("a/text"));
  CHECK_FALSE(root.read_link("a/number"));
}

TEST_CASE("Nothing leads out of a root") {
  const test::TempDir dir;
  dir.file("secret", "outside");
  dir.directory("root/inner");
  dir.link("root/absolute", dir / "secret");
  dir.link("root/relative", "../secret");
  dir.link("root/inner/deep", "../../secret");
  const auto root = *Root::open(dir / "root");
  for (const char* path : {"../secret", "inner/../../secret", "..", "", "/etc/passwd"}) {
    INFO(path);
    const auto content = root.read(path);
    REQUIRE_FALSE(content);
    CHECK(content.error().code == Code::kInvalid);
  }
  // Links are clamped to the root, where no such file is.
  for (const char* path : {"absolute", "relative", "inner/deep"}) {
    INFO(path);
    CHECK(root.read(path).error().code == Code::kNotFound);
  }
}

TEST_CASE("What is written through a root is in an existing file below it") {
  const test::TempDir dir;
  dir.file("secret", "outside");
  dir.file("root/a/attribute", "longer before");
  dir.link("root/link", "a/attribute");
  dir.link("root/absolute", dir / "secret");
  dir.link("root/relative", "../secret");
  const auto root = *Root::open(dir / "root");
  REQUIRE(root.write("a/attribute", "add 1"));
  CHECK(*root.read("a/attribute") == "add 1");
  REQUIRE(root.write("link", "x"));
  CHECK(*root.read("a/attribute") == "x");
  CHECK(root.write("a/other", "x").error().code == Code::kNotFound);
  CHECK_FALSE(root.write("a", "x"));
  CHECK(root.write("../secret", "x").error().code == Code::kInvalid);
  CHECK_FALSE(root.write("absolute", "x"));
  CHECK_FALSE(root.write("relative", "x"));
  CHECK(*read_file(dir / "secret") == "outside");
}

TEST_CASE("An absolute link inside a root is relative to the root") {
  const test::TempDir dir;
  dir.file("root/data/x", "inside");
  dir.link("root/link", "/data/x");
  CHECK(*Root::open(dir / "root")->read("link") == "inside");
}

TEST_CASE("A file larger than the limit is refused, one as large is not") {
  const test::TempDir dir;
  dir.file("big", std::string(100, 'x'));
  const auto root = *Root::open(dir.path());
  CHECK(root.read("big", 100)->size() == 100);
  CHECK(root.read("big", 99).error().code == Code::kInvalid);
  CHECK(read_file(dir / "big", 99).error().code == Code::kInvalid);
}

TEST_CASE("A FIFO does not hang a reader") {
  const test::TempDir dir;
  REQUIRE(::mkfifo((dir / "fifo").c_str(), 0600) == 0);
  CHECK(read_file(dir / "fifo")->empty());
}

TEST_CASE("Replacing a file leaves the new content, its mode, and nothing else") {
  const test::TempDir dir;
  REQUIRE(write_file_atomic(dir / "state", "one", 0600));
  REQUIRE(write_file_atomic(dir / "state", "two", 0640));
  CHECK(*read_file(dir / "state") == "two");
  struct stat info {};
  REQUIRE(::stat((dir / "state").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777U) == 0640U);
  CHECK(Root::open(dir.path())->list(".")->size() == 1);
}

TEST_CASE("A reader during replacement sees one version, whole") {
  const test::TempDir dir;
  const std::string a(20000, 'a'), b(20000, 'b');
  REQUIRE(write_file_atomic(dir / "state", a));
  std::thread writer([&] {
    for (int i = 0; i < 50; ++i) (void)write_file_atomic(dir / "state", i % 2 == 0 ? b : a);
  });
  bool whole = true;
  for (int i = 0; i < 200; ++i) {
    const auto content = read_file(dir / "state");
    whole = whole && content && (*content == a || *content == b);
  }
  writer.join();
  CHECK(whole);
}

TEST_CASE("A failing replacement leaves the old file and no temporary one") {
  const test::TempDir dir;
  dir.directory("state/child");  // rename() onto a directory fails
  CHECK_FALSE(write_file_atomic(dir / "state", "x"));
  CHECK(*Root::open(dir.path())->list(".") == std::vector<std::string>{"state"});
  CHECK(write_file_atomic(dir / "missing/state", "x").error().code == Code::kNotFound);
}

TEST_CASE("Directories are made with their parents") {
  const test::TempDir dir;
  CHECK(make_directories(dir / "a/b//c/"));
  CHECK(make_directories(dir / "a/b/c"));
  CHECK(std::filesystem::is_directory(dir / "a/b/c"));
  dir.file("file", "");
  CHECK(make_directories(dir / "file/x").error().code == Code::kPrecondition);
}

TEST_CASE("Removing a tree does not follow links out of it") {
  const test::TempDir dir;
  dir.file("keep/precious", "x");
  dir.file("tree/a/b/c", "x");
  dir.link("tree/a/out", dir / "keep");
  CHECK(remove_tree(dir / "tree"));
  CHECK_FALSE(std::filesystem::exists(dir / "tree"));
  CHECK(std::filesystem::exists(dir / "keep/precious"));
  CHECK(remove_tree(dir / "tree"));
  CHECK(remove_file(dir / "keep/precious"));
  CHECK(remove_file(dir / "keep/precious"));
}

TEST_CASE("A lock is held by one, until it is dropped") {
  const test::TempDir dir;
  {
    const auto held = FileLock::try_acquire(dir / "lock");
    REQUIRE(held);
    const auto second = FileLock::try_acquire(dir / "lock");
    REQUIRE_FALSE(second);
    CHECK(second.error().code == Code::kPrecondition);
  }
  CHECK(FileLock::try_acquire(dir / "lock"));
}

TEST_CASE("Locks exclude each other between threads") {
  const test::TempDir dir;
  // Atomic, as flock(2) is no synchronisation that a race detector knows.
  std::atomic<int> inside{0};
  std::atomic<bool> alone{true};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 50; ++n) {
        const auto lock = FileLock::acquire(dir / "lock");
        if (++inside != 1) alone = false;
        --inside;
        // Removed by its holder now and then: who waited on that file must notice. Last, as from
        // here on the next one may have a new file's lock.
        if (n % 10 == 0) ::unlink((dir / "lock").c_str());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(alone);
  CHECK(inside == 0);
}

TEST_CASE("Temporary files are known by what mkostemp makes of a name") {
  CHECK(temporary_target("0123456789abcdef.json.aB3dE6") == "0123456789abcdef.json");
  CHECK(temporary_target("10.0.0.1.AAAAAA") == "10.0.0.1");
  for (const char* none :
       {"", "0123456789abcdef.json", ".aB3dE6", "x.aB3dE", "x.aB3dE67", "x.aB3d-6", "xaB3dE67"}) {
    CHECK_MESSAGE(temporary_target(none).empty(), none);
  }
}
