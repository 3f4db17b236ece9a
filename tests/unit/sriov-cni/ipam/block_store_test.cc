// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "common/os/files.h"
#include "sriov-cni/ipam/block_store.h"

namespace sluice::cni {
namespace {

class TempDir {
 public:
  TempDir() {
    char pattern[] = "/tmp/sluice-ipam-XXXXXX";
    REQUIRE(::mkdtemp(pattern) != nullptr);
    path_ = pattern;
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Prefix4 block(const char* text) { return Prefix4::parse(text).value(); }
std::string owner(int number) { return "container-" + std::to_string(number) + "/eth0"; }

TEST_CASE("network, node and broadcast addresses are never given; exhaustion names the block") {
  const TempDir dir;
  auto store = BlockStore::open(dir.path(), "node-a").value();
  const auto small = block("10.244.1.0/29");
  std::vector<std::string> given;
  for (int i = 0; i < 5; ++i) given.push_back(store.allocate(small, owner(i)).value().to_string());
  CHECK(given == std::vector<std::string>{"10.244.1.2", "10.244.1.3", "10.244.1.4", "10.244.1.5",
                                          "10.244.1.6"});
  const auto none = store.allocate(small, owner(5));
  REQUIRE_FALSE(none);
  CHECK(none.error().code == Code::kExhausted);
  CHECK(none.error().message.find("10.244.1.0/29") != std::string::npos);
}

TEST_CASE("an owner has one address however often it asks") {
  const TempDir dir;
  auto store = BlockStore::open(dir.path(), "node-a").value();
  const auto first = store.allocate(block("10.244.1.0/24"), owner(1)).value();
  CHECK(store.allocate(block("10.244.1.0/24"), owner(1)).value() == first);
  CHECK(store.allocate(block("10.244.1.0/24"), owner(2)).value() != first);
  // Another block (the node got a new one): the old address would not be routed here.
  CHECK(store.allocate(block("10.244.9.0/24"), owner(1)).value().to_string() == "10.244.9.2");
}

TEST_CASE("a released address comes back last") {
  const TempDir dir;
  auto store = BlockStore::open(dir.path(), "node-a").value();
  const auto small = block("10.244.1.0/29");
  for (int i = 0; i < 3; ++i) REQUIRE(store.allocate(small, owner(i)));
  REQUIRE(store.release(owner(0)));  // .2
  REQUIRE(store.release(owner(0)));  // again: nothing to do
  std::vector<std::string> next;
  for (int i = 10; i < 13; ++i) next.push_back(store.allocate(small, owner(i)).value().to_string());
  CHECK(next == std::vector<std::string>{"10.244.1.5", "10.244.1.6", "10.244.1.2"});
  // A store opened anew goes on where the last one was.
  REQUIRE(store.release(owner(1)));   // .3
  REQUIRE(store.release(owner(10)));  // .5
  auto again = BlockStore::open(dir.path(), "node-a").value();
  CHECK(again.allocate(small, owner(20)).value().to_string() == "10.244.1.3");
}

TEST_CASE("nodes have stores of their own") {
  const TempDir dir;
  auto a = BlockStore::open(dir.path(), "a").value();
  auto b = BlockStore::open(dir.path(), "b").value();
  REQUIRE(a.allocate(block("10.244.1.0/30"), owner(1)));
  REQUIRE(b.allocate(block("10.244.2.0/30"), owner(2)));
  REQUIRE_FALSE(b.allocate(block("10.244.2.0/30"), owner(3)));
  REQUIRE(b.release(owner(2)));
  CHECK(b.allocate(block("10.244.2.0/30"), owner(3)));
  CHECK(std::filesystem::exists(dir.path() + "/ipam/a/10.244.1.2"));
}

TEST_CASE("what is refused") {
  const TempDir dir;
  for (const char* node : {"", "..", "a/b", ".hidden", "a b"}) {
    INFO(node);
    CHECK_FALSE(BlockStore::open(dir.path(), node));
  }
  auto store = BlockStore::open(dir.path(), "n").value();
  CHECK_FALSE(store.allocate(block("10.0.0.0/31"), owner(1)));
  CHECK_FALSE(store.allocate(block("0.0.0.0/4"), owner(1)));
  CHECK_FALSE(store.allocate(block("10.0.0.0/24"), ""));
}

TEST_CASE("files that are no addresses, and a broken .last, don't matter") {
  const TempDir dir;
  auto store = BlockStore::open(dir.path(), "n").value();
  std::filesystem::create_directories(dir.path() + "/ipam/n");
  std::ofstream(dir.path() + "/ipam/n/.last") << "nonsense";
  std::ofstream(dir.path() + "/ipam/n/10.0.0.2.k3jfx9") << "left by a crash";
  CHECK(store.allocate(block("10.0.0.0/24"), owner(1)).value().to_string() == "10.0.0.2");
  CHECK_FALSE(std::filesystem::exists(dir.path() + "/ipam/n/10.0.0.2.k3jfx9"));
  CHECK(os::read_file(dir.path() + "/ipam/n/.last").value() == "10.0.0.2");
}

TEST_CASE("30 processes with 2 threads each never share an address") {
  const TempDir dir;
  constexpr int kProcesses = 30, kThreads = 2;
  std::vector<pid_t> children;
  for (int p = 0; p < kProcesses; ++p) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      bool good[kThreads] = {};
      std::vector<std::thread> threads;
      for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
          auto store = BlockStore::open(dir.path(), "n");
          if (!store) return;
          const auto keep = store->allocate(block("10.0.0.0/24"), owner(p * kThreads + t));
          const auto drop = store->allocate(block("10.0.0.0/24"), owner(1000 + p * kThreads + t));
          good[t] = keep && drop && store->release(owner(1000 + p * kThreads + t));
        });
      }
      for (auto& thread : threads) thread.join();
      ::_exit(good[0] && good[1] ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const auto child : children) {
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  std::set<std::string> owners;
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir.path() + "/ipam/n")) {
    if (!Ipv4::parse(entry.path().filename().string())) continue;
    ++files;
    owners.insert(os::read_file(entry.path().string()).value());
  }
  CHECK(files == kProcesses * kThreads);
  CHECK(owners.size() == kProcesses * kThreads);
}

}  // namespace
}  // namespace sluice::cni
