// SPDX-License-Identifier: Apache-2.0
// A Front on a loop of the test's thread, a kubelet's directory, and an Allocator and Observer with
// levers. The other end (gRPC C++) has its own threads.
#pragma once

#include <doctest/doctest.h>

#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/litegrpc/call.h"
#include "common/litegrpc/server.h"
#include "device-plugin/kubelet/front.h"
#include "tests/support/standin_kubelet/kubelet.h"
#include "tests/unit/common/temp_dir.h"

namespace sluice::kubelet::test {

inline constexpr const char* kResource = "sluice.dev/vf";

inline pools::Device device(const std::string& id, bool healthy = true,
                            std::optional<int> numa = std::nullopt) {
  return {id, healthy, healthy ? "" : "no driver is bound", numa};
}

class FakeAllocator final : public Allocator {
 public:
  // What each device gives; one that isn't here is refused.
  std::map<std::string, allocate::Grant> grants;
  bool hold = false;  // answers wait for release()
  std::vector<std::vector<std::string>> asked;
  std::vector<std::string> available, must_include;
  std::size_t size = 0;
  std::vector<std::string> choice;

  void allocate(const std::string& resource, const std::vector<std::string>& ids,
                Granted granted) override {
    asked.push_back(ids);
    auto answer = [this, resource, ids, granted = std::move(granted)] {
      const auto found = grants.find(ids.front());
      if (found == grants.end()) {
        granted(fail(Code::kPrecondition, ids.front() + " of " + resource + " can't be used now"));
      } else {
        granted(found->second);
      }
    };
    if (hold) {
      held_.push_back(std::move(answer));
    } else {
      answer();
    }
  }
  void prefer(const std::string&, const std::vector<std::string>& all,
              const std::vector<std::string>& must, std::size_t count, Chosen chosen) override {
    available = all;
    must_include = must;
    size = count;
    chosen(choice);
  }
  std::size_t held() const { return held_.size(); }
  void release() {
    for (auto& answer : std::exchange(held_, {})) answer();
  }

 private:
  std::vector<std::function<void()>> held_;
};

class CountingObserver final : public Observer {
 public:
  std::map<std::string, unsigned> calls;  // "Allocate ok"
  unsigned registrations = 0, losses = 0;

  void called(const std::string&, std::string_view method, std::string_view code,
              Duration took) override {
    CHECK(took >= Duration{});
    ++calls[std::string(method) + " " + std::string(code)];
  }
  void registered(const std::string&) override { ++registrations; }
  void lost_kubelet(const std::string&) override { ++losses; }
};

class FrontLab {
 public:
  explicit FrontLab(bool registry = false) : registry_(registry) {
    auto made = os::EventLoop::create();
    REQUIRE(made);
    loop = std::move(*made);
    front = make_front();
  }
  ~FrontLab() { front.reset(); }

  std::string root() const { return dir_ / "kubelet"; }
  std::string socket(const std::string& name = "sluice.dev_vf.sock") const {
    return root() + (registry_ ? "/plugins_registry/" : "/device-plugins/") + name;
  }

  std::unique_ptr<Front> make_front(Mode mode = Mode::kAuto) {
    return Front::make(*loop, {root(), mode, std::chrono::milliseconds(100)}, allocator, observer,
                       Logger());
  }
  void start_kubelet() {
    kubelet = std::make_unique<standin::Kubelet>(root(), registry_, Logger());
    REQUIRE(kubelet->start());
  }

  // Runs the loop until something has come by itself; the limit is only for what is broken.
  bool eventually(const std::function<bool()>& condition) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    bool met = false;
    const auto timer = loop->every(std::chrono::milliseconds(5), [&] {
      met = condition();
      if (met || std::chrono::steady_clock::now() > limit) loop->stop();
    });
    loop->run();
    loop->cancel(timer);
    return met;
  }
  // For what must not happen: there is no event to wait for.
  void run_for(std::chrono::milliseconds time) {
    loop->after(time, [this] { loop->stop(); });
    loop->run();
  }
  // Something that blocks, of gRPC C++, while the loop runs.
  template <class Work>
  auto beside(Work work) {
    auto result = std::async(std::launch::async, std::move(work));
    REQUIRE(eventually(
        [&] { return result.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }));
    return result.get();
  }
  Result<std::string> call(const std::string& method, const std::string& request) {
    return call_at(socket(), method, request);
  }
  Result<std::string> call_at(const std::string& path, const std::string& method,
                              const std::string& request) {
    std::optional<Result<std::string>> out;
    const auto call = litegrpc::Call::start(*loop, path, method, request, std::chrono::seconds(20),
                                            [&](Result<std::string> answer) { out = answer; });
    REQUIRE(eventually([&] { return out.has_value(); }));
    return *out;
  }

  standin::ResourceView view(const std::string& resource = kResource) const {
    if (!kubelet) return {};
    auto all = kubelet->devices().resources();
    return all[resource];
  }
  std::size_t healthy(const std::string& resource = kResource) const {
    std::size_t count = 0;
    for (const auto& entry : view(resource).devices) count += entry.healthy ? 1 : 0;
    return count;
  }
  std::vector<standin::HistoryEntry> history(const std::string& resource = kResource) const {
    return kubelet->devices().history()[resource];
  }
  std::size_t lists(const std::string& resource = kResource) const {
    std::size_t count = 0;
    for (const auto& entry : history(resource)) count += entry.event == "list" ? 1 : 0;
    return count;
  }
  Front::PoolState state() const { return front->states().at(0); }

  std::unique_ptr<os::EventLoop> loop;
  FakeAllocator allocator;
  CountingObserver observer;
  std::unique_ptr<Front> front;
  std::unique_ptr<standin::Kubelet> kubelet;

 private:
  sluice::test::TempDir dir_;
  bool registry_;
};

}  // namespace sluice::kubelet::test
