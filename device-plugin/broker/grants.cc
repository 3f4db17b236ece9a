// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/broker/grants.h"

#include <algorithm>
#include <optional>

#include "common/os/files.h"
#include "device-plugin/cdi/spec_store.h"

namespace sluice::broker {
namespace {

// Files of pools in the CDI directory; claims' files are the DRA front's.
constexpr std::string_view kPoolSet = "pool-";

std::string set_of(const std::string& resource) {
  std::string name(kPoolSet);
  for (const char c : resource) name += c == '/' ? '-' : c;
  return name;
}

const pools::Member* find_member(const pools::Pool& pool, const std::string& id) {
  for (const auto& member : pool.members) {
    if (member.device.id == id) return &member;
  }
  return nullptr;
}

}  // namespace

Result<allocate::Access> Grants::access(const pools::Pool& pool, const pools::Member& member,
                                        const nic::Inventory& inventory) const {
  const auto& id = member.device.id;
  if (!member.candidate || member.selector >= pool.config.selectors.size()) {
    return fail(Code::kPrecondition, id + " is not there any more");
  }
  const auto& selector = pool.config.selectors[member.selector];
  pools::Candidate fresh = *member.candidate;
  nic::Function function;
  if (!fresh.sf) {
    SLUICE_TRY(const auto sysfs, os::Root::open(settings_.sysfs_root));
    auto read = nic::read_function(sysfs, fresh.function->address, {settings_.dev_root});
    if (!read) {
      return fail(Code::kPrecondition, id + " can't be read now: " + read.error().to_string());
    }
    function = std::move(*read);
    fresh.function = &function;
  }
  if (fresh.driver().empty()) {
    return fail(Code::kPrecondition,
                id + " has lost its driver '" + member.candidate->driver() + "'");
  }
  if (const auto why = pools::mismatch(selector, fresh)) {
    return fail(Code::kPrecondition, id + " has changed: " + *why);
  }
  return allocate::access_of(fresh, selector, pool.config, host_facts(inventory));
}

std::optional<std::string> Grants::obstacle(const pools::Pool& pool, const pools::Member& member,
                                            const allocate::HostFacts& host) const {
  // What somebody has may look different from here: its RDMA device is in a pod too.
  if (member.use || !member.candidate) return std::nullopt;
  if (member.selector >= pool.config.selectors.size()) return std::nullopt;
  const auto access = allocate::access_of(*member.candidate, pool.config.selectors[member.selector],
                                          pool.config, host);
  if (access) return std::nullopt;
  return access.error().message;
}

allocate::HostFacts Grants::host_facts(const nic::Inventory& inventory) const {
  allocate::HostFacts facts;
  facts.vhost_net = inventory.vhost_net;
  facts.rdma_cm = inventory.rdma_cm;
  const auto dev = os::Root::open(settings_.dev_root);
  facts.iommufd = dev && dev->exists("iommu");
  return facts;
}

Result<allocate::Grant> Grants::grant(const pools::Pool& pool, const std::vector<std::string>& ids,
                                      const nic::Inventory& inventory) {
  std::vector<allocate::Access> devices;
  std::vector<const pools::Member*> members;
  for (const auto& id : ids) {
    const auto* member = find_member(pool, id);
    if (!member) {
      return fail(Code::kInvalid,
                  pool.config.resource() + " has no device '" + id.substr(0, 64) + "'");
    }
    if (!member->device.healthy) {
      return fail(Code::kPrecondition, id + " can't be given: " + member->device.reason);
    }
    SLUICE_TRY(auto access, this->access(pool, *member, inventory));
    devices.push_back(std::move(access));
    members.push_back(member);
  }
  for (const auto* member : members) keep_devinfo(pool, *member, inventory);
  std::optional<std::string> kind;
  if (with_spec_.contains(pool.config.resource())) kind = cdi::kind_of(pool.config.resource());
  return allocate::grant(pool.config, devices, kind);
}

void Grants::keep_devinfo(const pools::Pool& pool, const pools::Member& member,
                          const nic::Inventory& inventory) {
  const auto& candidate = *member.candidate;
  const auto& selector = pool.config.selectors[member.selector];
  const devinfo::Given given{selector.need_vhost_net, selector.is_rdma, selector.vdpa_type};
  auto written = devinfo_.put(
      pool.config.resource(), member.device.id,
      devinfo::render(candidate, devinfo::representor_of(candidate, inventory), given));
  if (!written) complain("device-info", written.error());
}

void Grants::keep_files(const std::vector<pools::Pool>& pools, const nic::Inventory& inventory) {
  for (const auto& pool : pools) {
    std::set<std::string> in_use;
    for (const auto& member : pool.members) {
      if (member.use) in_use.insert(member.device.id);
    }
    auto swept = devinfo_.sweep(pool.config.resource(), in_use);
    if (!swept && swept.error().code != Code::kNotFound) complain("device-info", swept.error());
  }
  if (settings_.use_cdi) keep_specs(pools, inventory);
}

void Grants::keep_specs(const std::vector<pools::Pool>& pools, const nic::Inventory& inventory) {
  auto store = cdi::SpecStore::open(settings_.cdi_dir);
  if (!store) {
    with_spec_.clear();
    return complain("CDI", store.error());
  }
  std::set<std::string> keep, good;
  const auto host = host_facts(inventory);
  for (const auto& pool : pools) {
    const auto& resource = pool.config.resource();
    cdi::Spec spec{cdi::kind_of(resource), {}};
    for (const auto& member : pool.members) {
      if (!member.candidate || member.selector >= pool.config.selectors.size()) continue;
      const auto access = allocate::access_of(
          *member.candidate, pool.config.selectors[member.selector], pool.config, host);
      if (access) spec.devices.push_back({member.device.id, access->nodes, {}, {}});
    }
    // A specification without devices is not a valid one.
    if (spec.devices.empty()) continue;
    keep.insert(set_of(resource));
    if (auto put = store->put(set_of(resource), spec); put) {
      good.insert(resource);
    } else {
      complain("CDI", put.error());
    }
  }
  with_spec_ = std::move(good);
  // Claims' files are the DRA front's to sweep.
  if (const auto sets = store->sets()) {
    for (const auto& set : *sets) {
      if (!set.starts_with(kPoolSet)) keep.insert(set);
    }
    if (auto swept = store->sweep(keep); !swept) complain("CDI", swept.error());
  }
}

void Grants::complain(const std::string& what, const Error& error) {
  constexpr std::size_t kMany = 100;
  if (complaints_.size() >= kMany) complaints_.clear();
  if (!complaints_.insert(what + error.to_string()).second) return;
  log_.warn("a file could not be kept", {{"what", what}, {"error", error}});
}

}  // namespace sluice::broker
