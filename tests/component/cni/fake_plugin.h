// SPDX-License-Identifier: Apache-2.0
// The device plugin's lookup socket, with pods and levers instead of a kubelet.
//
// Threading: its own thread serves; all methods from the test's thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/os/event_loop.h"
#include "common/os/frame_socket.h"

namespace sluice::testing {

struct Listed {
  std::string id;  // PCI address or SF name; "": a plain port
  std::uint64_t given = 0;
  std::string resource = "sluice.dev/vf";
  std::string claim = {};
};

class FakePlugin {
 public:
  enum class Mood : std::uint8_t {
    kAnswers,
    kHangs,     // never answers
    kRefuses,   // as when the kubelet is away
    kBabbles,   // bytes that are no message
    kMisleads,  // a message that is another call's answer
  };

  explicit FakePlugin(std::string socket) : socket_(std::move(socket)) {}
  ~FakePlugin() { stop(); }

  void start();
  void stop();                 // the socket's file goes, as where there never was a plugin
  void leave_closed_socket();  // after stop(): the file of a plugin that is away

  const std::string& socket() const { return socket_; }
  void set_mood(Mood mood);
  void set_instance(const std::string& instance);
  void set_devices(const std::string& pod, std::vector<Listed> devices);  // "shop/c1"
  std::size_t questions() const;

 private:
  void answer(const std::string& request, const os::FrameServer::Reply& reply);
  std::string answer_pod(const std::string& pod) const;

  std::string socket_;
  mutable std::mutex mutex_;
  Mood mood_ = Mood::kAnswers;
  std::string instance_ = "first";
  std::map<std::string, std::vector<Listed>> devices_;
  std::size_t questions_ = 0;
  std::unique_ptr<os::EventLoop> loop_;
  std::unique_ptr<os::FrameServer> server_;
  std::thread thread_;
};

}  // namespace sluice::testing
