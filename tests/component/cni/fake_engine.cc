// SPDX-License-Identifier: Apache-2.0
#include "tests/component/cni/fake_engine.h"

#include <doctest/doctest.h>

#include "common/api/offload.pb.h"
#include "common/api/vf_control.pb.h"

namespace sluice::testing {

FakeEngine::FakeEngine(std::string directory, std::string sysfs_root)
    : directory_(std::move(directory)), sysfs_root_(std::move(sysfs_root)) {}

FakeEngine::~FakeEngine() { stop(); }

void FakeEngine::start() {
  loop_ = os::EventLoop::create().value();
  auto server = os::FrameServer::listen(
      *loop_, socket(), [this](std::string request, auto reply) { reply(answer(request)); });
  REQUIRE(server);
  server_ = std::move(*server);
  auto vf_server = os::FrameServer::listen(
      *loop_, directory_ + "/vf.sock",
      [this](std::string request, auto reply) { reply(answer_vf(request)); });
  REQUIRE(vf_server);
  vf_server_ = std::move(*vf_server);
  thread_ = std::thread([this] { loop_->run(); });
}

void FakeEngine::stop() {
  if (!thread_.joinable()) return;
  loop_->stop();
  thread_.join();
  server_.reset();
  vf_server_.reset();
  loop_.reset();
}

void FakeEngine::set_pod_cidr(const std::string& cidr) {
  const std::lock_guard lock(mutex_);
  pod_cidr_ = cidr;
}

void FakeEngine::refuse_attach(bool on) {
  const std::lock_guard lock(mutex_);
  refuse_attach_ = on;
}

void FakeEngine::refuse_attach_of(const std::string& interface) {
  const std::lock_guard lock(mutex_);
  refused_interface_ = interface;
}

std::map<std::string, Attached> FakeEngine::attachments() const {
  const std::lock_guard lock(mutex_);
  return attachments_;
}

std::string FakeEngine::admin_mac(const std::string& pci) const {
  const std::lock_guard lock(mutex_);
  const auto found = admin_macs_.find(pci);
  return found == admin_macs_.end() ? "" : found->second;
}

std::string FakeEngine::answer(const std::string& text) {
  const std::lock_guard lock(mutex_);
  api::Request request;
  api::Response response;
  if (!request.ParseFromString(text)) return "";
  if (request.has_node_info()) {
    auto* info = response.mutable_node_info();
    info->set_node("node-a");
    info->set_pod_cidr(pod_cidr_);
    info->set_gateway_ip("169.254.1.1");
    info->set_gateway_mac("02:00:00:00:00:01");
    info->set_pod_mtu(1450);
    info->set_bridge("br0");
    info->set_sysfs_root(sysfs_root_);
    info->set_vf_control_socket(directory_ + "/vf.sock");
  } else if (request.has_attach()) {
    const auto& attach = request.attach();
    attachments_[attach.id()] = {attach.pod(), attach.interface(),   attach.mac(),
                                 attach.ip(),  attach.pci_address(), attach.veth()};
    if (refuse_attach_ || attach.interface() == refused_interface_) {
      response.mutable_failure()->set_code("exhausted");
      response.mutable_failure()->set_message("no room for its rules");
    } else {
      response.mutable_attach()->set_port("vf0");
    }
  } else if (request.has_detach()) {
    response.mutable_detach()->set_existed(attachments_.erase(request.detach().id()) == 1);
  }
  return response.SerializeAsString();
}

std::string FakeEngine::answer_vf(const std::string& text) {
  const std::lock_guard lock(mutex_);
  api::VfRequest request;
  api::VfResponse response;
  if (!request.ParseFromString(text)) return "";
  admin_macs_[request.pci_address()] = request.mac();
  response.set_mac(request.mac());
  return response.SerializeAsString();
}

}  // namespace sluice::testing
