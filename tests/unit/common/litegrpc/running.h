// SPDX-License-Identifier: Apache-2.0
// A loop on a thread of its own, for tests whose other end blocks.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <future>
#include <memory>
#include <thread>

#include "common/litegrpc/server.h"
#include "common/os/event_loop.h"

namespace sluice::litegrpc::test {

class LoopThread {
 public:
  LoopThread() : loop_(*os::EventLoop::create()), thread_([this] { loop_->run(); }) {}
  ~LoopThread() {
    loop_->post([this] { loop_->stop(); });
    thread_.join();
  }
  os::EventLoop& loop() { return *loop_; }

  // Runs it on the loop, and waits for it.
  void run(std::function<void()> work) {
    std::promise<void> done;
    loop_->post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }

 private:
  std::unique_ptr<os::EventLoop> loop_;
  std::thread thread_;
};

class RunningServer {
 public:
  RunningServer(const std::string& path, Methods methods, ServerLimits limits = {}) {
    thread_.run([&] {
      auto server =
          Server::listen(thread_.loop(), path, std::move(methods), Logger(), 0600, limits);
      REQUIRE(server);
      server_ = std::move(*server);
    });
  }
  ~RunningServer() { stop(); }

  void run(std::function<void()> work) { thread_.run(std::move(work)); }
  void stop() {
    thread_.run([this] { server_.reset(); });
  }
  os::EventLoop& loop() { return thread_.loop(); }
  std::unique_ptr<Server>& server() { return server_; }  // on the loop

 private:
  LoopThread thread_;
  std::unique_ptr<Server> server_;
};

}  // namespace sluice::litegrpc::test
