// SPDX-License-Identifier: Apache-2.0
#include "tests/component/cni/fake_plugin.h"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include "common/api/devices.pb.h"
#include "common/os/unique_fd.h"
#include "common/os/unix_address.h"

namespace sluice::testing {

void FakePlugin::start() {
  loop_ = os::EventLoop::create().value();
  auto server = os::FrameServer::listen(
      *loop_, socket_, [this](std::string request, auto reply) { answer(request, reply); });
  REQUIRE(server);
  server_ = std::move(*server);
  thread_ = std::thread([this] { loop_->run(); });
}

void FakePlugin::stop() {
  if (!thread_.joinable()) return;
  loop_->stop();
  thread_.join();
  server_.reset();
  loop_.reset();
}

void FakePlugin::leave_closed_socket() {
  const auto address = os::unix_address(socket_).value();
  const os::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
}

void FakePlugin::set_mood(Mood mood) {
  const std::lock_guard lock(mutex_);
  mood_ = mood;
}

void FakePlugin::set_instance(const std::string& instance) {
  const std::lock_guard lock(mutex_);
  instance_ = instance;
}

void FakePlugin::set_devices(const std::string& pod, std::vector<Listed> devices) {
  const std::lock_guard lock(mutex_);
  devices_[pod] = std::move(devices);
}

std::size_t FakePlugin::questions() const {
  const std::lock_guard lock(mutex_);
  return questions_;
}

void FakePlugin::answer(const std::string& text, const os::FrameServer::Reply& reply) {
  const std::lock_guard lock(mutex_);
  ++questions_;
  api::DevicesRequest request;
  if (!request.ParseFromString(text) || !request.has_pod_devices()) return reply("");
  api::DevicesResponse response;
  switch (mood_) {
    case Mood::kHangs:
      return;
    case Mood::kBabbles:
      return reply("\xff\xff\xff no message");
    case Mood::kMisleads:
      response.mutable_list();
      return reply(response.SerializeAsString());
    case Mood::kRefuses:
      response.mutable_failure()->set_code("unavailable");
      response.mutable_failure()->set_message("the kubelet is away");
      return reply(response.SerializeAsString());
    case Mood::kAnswers:
      break;
  }
  const auto& pod = request.pod_devices();
  reply(answer_pod(pod.namespace_() + "/" + pod.pod()));
}

std::string FakePlugin::answer_pod(const std::string& pod) const {
  api::DevicesResponse response;
  auto& found = *response.mutable_pod_devices();
  found.set_instance(instance_);
  const auto devices = devices_.find(pod);
  if (devices == devices_.end()) return response.SerializeAsString();
  for (const auto& device : devices->second) {
    auto& out = *found.add_devices();
    if (device.id.empty()) {
      out.set_plain_port(true);
    } else if (device.id.find(':') != std::string::npos) {
      out.set_pci_address(device.id);
    } else {
      out.set_sf_name(device.id);
    }
    out.set_resource(device.resource);
    out.set_claim(device.claim);
    out.set_given(device.given);
  }
  return response.SerializeAsString();
}

}  // namespace sluice::testing
