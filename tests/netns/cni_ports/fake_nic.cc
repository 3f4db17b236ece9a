// SPDX-License-Identifier: Apache-2.0
#include "tests/netns/cni_ports/fake_nic.h"

#include <doctest/doctest.h>

#include "common/api/vf_control.pb.h"

namespace sluice::testing {
namespace {

netlink::VfAttributes fresh() {
  netlink::VfAttributes out;
  out.mac = MacAddr{};
  out.vlan = std::uint16_t{0};
  out.qos = std::uint8_t{0};
  out.vlan_protocol = std::uint16_t{0x8100};
  out.spoof_check = true;
  out.trust = false;
  out.min_rate_mbps = out.max_rate_mbps = 0U;
  return out;
}

}  // namespace

FakeNic::FakeNic(std::string socket) : socket_(std::move(socket)) { start(); }

void FakeNic::start() {
  loop_ = os::EventLoop::create().value();
  auto server = os::FrameServer::listen(
      *loop_, socket_, [this](std::string request, auto reply) { reply(answer(request)); });
  REQUIRE(server);
  server_ = std::move(*server);
  thread_ = std::thread([this] { loop_->run(); });
}

void FakeNic::stop() {
  if (!thread_.joinable()) return;
  loop_->stop();
  thread_.join();
  server_.reset();
  loop_.reset();
}

netlink::VfAttributes FakeNic::attributes(const std::string& pci) const {
  const std::lock_guard lock(mutex_);
  const auto found = vfs_.find(pci);
  return found == vfs_.end() ? fresh() : found->second;
}

void FakeNic::set(const std::string& pci, const netlink::VfAttributes& attributes) {
  const std::lock_guard lock(mutex_);
  vfs_[pci] = attributes;
}

void FakeNic::refuse_trust(bool on) {
  const std::lock_guard lock(mutex_);
  refuse_trust_ = on;
}

void FakeNic::refuse_zero_mac(bool on) {
  const std::lock_guard lock(mutex_);
  refuse_zero_mac_ = on;
}

std::vector<std::string> FakeNic::macs() const {
  const std::lock_guard lock(mutex_);
  return macs_;
}

std::size_t FakeNic::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

std::string FakeNic::answer(const std::string& text) {
  const std::lock_guard lock(mutex_);
  api::VfRequest request;
  api::VfResponse response;
  if (!request.ParseFromString(text)) return "";
  auto& vf = vfs_.try_emplace(request.pci_address(), fresh()).first->second;
  const bool sets = request.has_mac() || request.has_vlan() || request.has_spoof_check() ||
                    request.has_trust() || request.has_max_rate_mbps();
  requests_ += sets ? 1 : 0;
  if (request.has_mac() && refuse_zero_mac_ && request.mac() == MacAddr{}.to_string()) {
    response.set_code(std::string(to_string(Code::kInvalid)));
    response.set_message("zero is no MAC");
    return response.SerializeAsString();
  }
  if (request.has_mac()) {
    vf.mac = MacAddr::parse(request.mac()).value();
    macs_.push_back(request.mac());
  }
  if (request.has_vlan()) vf.vlan = static_cast<std::uint16_t>(request.vlan());
  if (request.has_qos()) vf.qos = static_cast<std::uint8_t>(request.qos());
  if (request.has_min_rate_mbps()) vf.min_rate_mbps = request.min_rate_mbps();
  if (request.has_max_rate_mbps()) vf.max_rate_mbps = request.max_rate_mbps();
  if (request.has_spoof_check()) vf.spoof_check = request.spoof_check();
  if (request.has_trust() && refuse_trust_) {
    response.set_code(std::string(to_string(Code::kUnsupported)));
    response.set_message("trust isn't supported");
    return response.SerializeAsString();
  }
  if (request.has_trust()) vf.trust = request.trust();
  response.set_mac(vf.mac->to_string());
  response.set_vlan(*vf.vlan);
  response.set_qos(*vf.qos);
  response.set_vlan_protocol(*vf.vlan_protocol);
  response.set_spoof_check(*vf.spoof_check);
  response.set_trust(*vf.trust);
  response.set_min_rate_mbps(*vf.min_rate_mbps);
  response.set_max_rate_mbps(*vf.max_rate_mbps);
  return response.SerializeAsString();
}

}  // namespace sluice::testing
