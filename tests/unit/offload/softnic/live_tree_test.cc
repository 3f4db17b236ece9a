// SPDX-License-Identifier: Apache-2.0
#include "offload/softnic/live_tree.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "common/os/files.h"

using namespace sluice;
using namespace sluice::softnic;
namespace fs = std::filesystem;

namespace {

struct Directory {
  std::string path;
  Directory() {
    std::string name = (fs::temp_directory_path() / "sluice-tree-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Directory() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  std::string tree() const { return path + "/tree"; }
};

Tree on_disk(const std::string& root) {
  Tree tree;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const std::string path =
        fs::relative(entry.path().parent_path(), root) / entry.path().filename();
    const std::string name = path.starts_with("./") ? path.substr(2) : path;
    if (entry.is_symlink()) {
      tree[name] = {true, fs::read_symlink(entry.path()).string()};
    } else if (entry.is_regular_file()) {
      tree[name] = {false, os::read_file(entry.path().string()).value()};
    }
  }
  return tree;
}

const Tree kSmall{{"a/b/file", {false, "1\n"}}, {"a/link", {true, "b"}}, {"top", {false, "x"}}};

}  // namespace

TEST_CASE("the disk holds what was published, whatever was there before") {
  Directory directory;
  auto tree = LiveTree::open(directory.tree());
  REQUIRE(tree);
  for (const Tree& wanted :
       {kSmall,
        Tree{{"a/b/file", {false, "2\n"}}, {"a/b/more/deep", {false, ""}}, {"a/link", {true, "c"}}},
        Tree{}, Tree{{"a", {false, "now a file"}}}, Tree{{"a", {true, "now a link"}}}, kSmall}) {
    const auto done = tree->publish(wanted);
    REQUIRE_MESSAGE(done, done.error().to_string());
    CHECK(on_disk(directory.tree()) == wanted);
  }
  CHECK(fs::is_empty(directory.tree() + ".staging"));
  REQUIRE(tree->remove());
  CHECK(fs::is_empty(directory.path));
}

TEST_CASE("a new process takes over the tree, its root directory stays the same one") {
  Directory directory;
  REQUIRE(LiveTree::open(directory.tree())->publish(kSmall));
  const auto held = os::Root::open(directory.tree());
  REQUIRE(held);
  fs::create_directory(directory.tree() + ".staging/left");
  fs::create_directories(directory.tree() + "/a/empty");
  auto tree = LiveTree::open(directory.tree());
  REQUIRE(tree);
  const Tree wanted{{"a/empty/file", {false, "3"}}, {"a/link", {true, "b"}}};
  REQUIRE(tree->publish(wanted));
  CHECK(on_disk(directory.tree()) == wanted);
  CHECK(held->read("a/empty/file") == "3");
}

TEST_CASE("a tree that was half removed, by whatever, is taken over") {
  Directory directory;
  REQUIRE(LiveTree::open(directory.tree())->publish(kSmall));
  SUBCASE("all files, no directory") {
    fs::remove(directory.tree() + "/a/b/file");
    fs::remove(directory.tree() + "/a/link");
    fs::remove(directory.tree() + "/top");
  }
  SUBCASE("a directory where a link and a file belong") {
    fs::remove(directory.tree() + "/a/link");
    fs::create_directories(directory.tree() + "/a/link/left/over");
    fs::remove(directory.tree() + "/top");
    fs::create_directory(directory.tree() + "/top");
  }
  SUBCASE("what is none of ours") {
    fs::remove_all(directory.tree() + "/a/b");
    REQUIRE(::mkfifo((directory.tree() + "/a/b").c_str(), 0600) == 0);
    REQUIRE(os::write_file_atomic(directory.tree() + "/a/large", std::string(5000, 'x')));
  }
  auto tree = LiveTree::open(directory.tree());
  REQUIRE_MESSAGE(tree, tree.error().to_string());
  const auto done = tree->publish(kSmall);
  REQUIRE_MESSAGE(done, done.error().to_string());
  CHECK(on_disk(directory.tree()) == kSmall);
}

TEST_CASE("a directory all of whose files change stays") {
  Directory directory;
  auto tree = LiveTree::open(directory.tree());
  REQUIRE(tree);
  REQUIRE(tree->publish({{"a/b/one", {false, "1"}}}));
  const Tree wanted{{"a/b/two", {false, "2"}}};
  const auto done = tree->publish(wanted);
  REQUIRE_MESSAGE(done, done.error().to_string());
  CHECK(on_disk(directory.tree()) == wanted);
}

TEST_CASE("a new directory appears with all that is in it") {
  Directory directory;
  auto tree = LiveTree::open(directory.tree());
  REQUIRE(tree);
  REQUIRE(tree->publish(kSmall));
  Tree with = kSmall;
  for (int i = 0; i < 20; ++i) with["a/new/f" + std::to_string(i)] = {false, "v"};
  std::atomic<bool> stop = false;
  std::atomic<int> seen = 0, halves = 0;
  // Directories only appear here, so whoever sees the first file must see the last one.
  std::thread reader([&] {
    while (!stop) {
      std::error_code error;
      if (!fs::exists(directory.tree() + "/a/new", error)) continue;
      seen += 1;
      if (!fs::exists(directory.tree() + "/a/new/f0", error) ||
          !fs::exists(directory.tree() + "/a/new/f9", error)) {
        halves += 1;
      }
      stop = true;
    }
  });
  REQUIRE(tree->publish(with));
  reader.join();
  CHECK(seen == 1);
  CHECK(halves == 0);
  CHECK(on_disk(directory.tree()) == with);
}
