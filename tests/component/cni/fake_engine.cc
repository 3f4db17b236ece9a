// SPDX-License-Identifier: Apache-2.0
#include "tests/component/cni/fake_engine.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "common/api/offload.pb.h"
#include "common/api/vf_control.pb.h"

namespace sluice::testing {
namespace {

Attached to_attached(const api::AttachRequest& request) {
  Attached out{request.pod(),
               request.interface(),
               request.mac(),
               request.ip(),
               request.pci_address(),
               request.veth(),
               {}};
  for (const auto& mapping : request.port_mappings()) {
    const auto& host = mapping.host_ip();
    out.ports.push_back(mapping.protocol() + " " + (host.empty() ? "" : host + ":") +
                        std::to_string(mapping.host_port()) + " -> " +
                        std::to_string(mapping.container_port()));
  }
  return out;
}

}  // namespace

FakeEngine::FakeEngine(std::string directory, std::string sysfs_root)
    : directory_(std::move(directory)), sysfs_root_(std::move(sysfs_root)) {}

FakeEngine::~FakeEngine() { stop(); }

void FakeEngine::start() {
  stop();
  apply_withdrawals();
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
  const bool nic_too = server_ != nullptr;  // else only somebody else's NIC was left
  server_.reset();
  vf_server_.reset();
  loop_.reset();
  if (!nic_too) return;
  admin_macs_.clear();
  vlans_.clear();
}

void FakeEngine::stop_beside_nic() {
  REQUIRE(thread_.joinable());
  loop_->stop();
  thread_.join();
  server_.reset();
  thread_ = std::thread([this] { loop_->run(); });
}

void FakeEngine::apply_withdrawals() {
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(pending_directory(), none)) {
    if (entry.path().extension() != ".gone") continue;
    std::string id;
    std::ifstream file(entry.path());
    std::getline(file, id);
    attachments_.erase(id);
    std::filesystem::remove(entry.path());
  }
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

void FakeEngine::set_problem(const std::string& problem) {
  const std::lock_guard lock(mutex_);
  problem_ = problem;
}

void FakeEngine::refuse_vlan(bool on) {
  const std::lock_guard lock(mutex_);
  refuse_vlan_ = on;
}

void FakeEngine::set_vlan(const std::string& pci, std::uint32_t vlan) {
  const std::lock_guard lock(mutex_);
  vlans_[pci] = vlan;
}

std::uint32_t FakeEngine::vlan(const std::string& pci) const {
  const std::lock_guard lock(mutex_);
  const auto found = vlans_.find(pci);
  return found == vlans_.end() ? 0 : found->second;
}

std::map<std::string, Attached> FakeEngine::pending() const {
  std::map<std::string, Attached> out;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(pending_directory(), none)) {
    // Withdrawals and temporary files.
    if (entry.path().has_extension()) continue;
    api::AttachRequest request;
    std::ifstream file(entry.path());
    REQUIRE(request.ParseFromIstream(&file));
    out[request.id()] = to_attached(request);
  }
  return out;
}

void FakeEngine::take_in() {
  const auto waiting = pending();
  const std::lock_guard lock(mutex_);
  for (const auto& [id, attached] : waiting) attachments_[id] = attached;
  std::filesystem::remove_all(pending_directory());
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
    info->set_pending_directory(pending_directory());
  } else if (request.has_attach()) {
    const auto& attach = request.attach();
    attachments_[attach.id()] = to_attached(attach);
    if (refuse_attach_ || attach.interface() == refused_interface_) {
      response.mutable_failure()->set_code("exhausted");
      response.mutable_failure()->set_message("no room for its rules");
    } else {
      response.mutable_attach()->set_port("vf0");
    }
  } else if (request.has_detach()) {
    response.mutable_detach()->set_existed(attachments_.erase(request.detach().id()) == 1);
  }
  if (request.has_check_attachment()) {
    const auto& asked = request.check_attachment().attachment();
    auto* checked = response.mutable_check_attachment();
    checked->set_problem(problem_);
    if (attachments_.contains(asked.id())) checked->set_port("vf0");
  }
  return response.SerializeAsString();
}

std::string FakeEngine::answer_vf(const std::string& text) {
  const std::lock_guard lock(mutex_);
  api::VfRequest request;
  api::VfResponse response;
  if (!request.ParseFromString(text)) return "";
  const auto& vf = request.pci_address();
  if (refuse_vlan_ && request.vlan() != 0) {
    response.set_code("unsupported");
    response.set_message("no VLANs here");
    return response.SerializeAsString();
  }
  if (request.has_mac()) admin_macs_[vf] = request.mac();
  if (request.has_vlan()) vlans_[vf] = request.vlan();
  const auto mac = admin_macs_.find(vf);
  response.set_mac(mac == admin_macs_.end() ? "00:00:00:00:00:00" : mac->second);
  response.set_vlan(vlans_[vf]);
  response.set_qos(0);
  response.set_vlan_protocol(0x8100);
  response.set_spoof_check(true);
  response.set_trust(false);
  response.set_query_rss(false);
  response.set_link_state("auto");
  response.set_min_rate_mbps(0);
  response.set_max_rate_mbps(0);
  return response.SerializeAsString();
}

}  // namespace sluice::testing
