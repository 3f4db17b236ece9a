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

Result<std::string> driver_now(const os::Root& sysfs, const pools::Candidate& candidate) {
  std::string path = "bus/pci/devices/" + candidate.function->address.to_string();
  if (candidate.sf) path += "/" + candidate.sf->name;
  SLUICE_TRY(const auto link, sysfs.read_link(path + "/driver"));
  return link.substr(link.rfind('/') + 1);
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
  SLUICE_TRY(const auto sysfs, os::Root::open(settings_.sysfs_root));
  // Of most devices all that can change under a pool hangs on the driver: then that is enough.
  const auto driver = driver_now(sysfs, fresh);
  const bool same = driver && *driver == fresh.driver();
  if (fresh.sf && !same) {
    return fail(Code::kPrecondition,
                id + " has changed: its driver was '" + fresh.driver() + "' and is " +
                    (driver ? "'" + *driver + "'" : "gone: " + driver.error().message));
  }
  nic::Function function;
  if (!fresh.sf && (!same || selector.is_rdma || !selector.vdpa_type.empty())) {
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
  if (member.candidate->driver().empty()) return "no driver is bound";
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
    const auto* member = pool.find(id);
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
  if (settings_.use_cdi && put_spec(pool, host_facts(inventory))) {
    kind = cdi::kind_of(pool.config.resource());
  }
  auto grant = allocate::grant(pool.config, devices, kind);
  grant.cdi_devices.clear();
  for (const auto& id : ids) {
    if (kind) grant.cdi_devices.push_back(cdi::qualified(*kind, id));
  }
  return grant;
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

void Grants::keep_files(const std::vector<pools::Pool>& pools, const nic::Inventory& inventory,
                        const std::map<std::string, pools::Use>& uses, bool uses_known) {
  for (const auto& pool : pools) {
    if (!uses_known) break;
    std::set<std::string> in_use;
    for (const auto& member : pool.members) {
      if (member.use) in_use.insert(member.device.id);
    }
    auto swept = devinfo_.sweep(pool.config.resource(), in_use);
    if (!swept && swept.error().code != Code::kNotFound) complain("device-info", swept.error());
  }
  if (settings_.use_cdi) keep_specs(pools, inventory, uses, uses_known);
}

void Grants::keep_specs(const std::vector<pools::Pool>& pools, const nic::Inventory& inventory,
                        const std::map<std::string, pools::Use>& uses, bool uses_known) {
  std::set<std::string> keep;
  const auto host = host_facts(inventory);
  for (const auto& pool : pools) {
    if (put_spec(pool, host)) keep.insert(set_of(pool.config.resource()));
  }
  if (!uses_known) return;
  // A container may be made again after its pool is gone.
  for (const auto& [id, use] : uses) keep.insert(set_of(use.resource));
  auto store = cdi::SpecStore::open(settings_.cdi_dir);
  if (!store) return;
  // Claims' files are the DRA front's to sweep.
  if (const auto sets = store->sets()) {
    for (const auto& set : *sets) {
      if (!set.starts_with(kPoolSet)) keep.insert(set);
    }
    if (auto swept = store->sweep(keep); !swept) complain("CDI", swept.error());
  }
}

bool Grants::put_spec(const pools::Pool& pool, const allocate::HostFacts& host) {
  const auto& resource = pool.config.resource();
  cdi::Spec spec{cdi::kind_of(resource), {}};
  for (const auto& member : pool.members) {
    if (!member.candidate || member.selector >= pool.config.selectors.size()) continue;
    const auto access = allocate::access_of(
        *member.candidate, pool.config.selectors[member.selector], pool.config, host);
    if (access) spec.devices.push_back({member.device.id, access->nodes, {}, {}});
  }
  // A specification without devices is not a valid one.
  if (spec.devices.empty()) return false;
  auto store = cdi::SpecStore::open(settings_.cdi_dir);
  auto put = store ? store->put(set_of(resource), spec) : Status(fail(Error(store.error())));
  if (!put) complain("CDI", put.error());
  return put.has_value();
}

void Grants::complain(const std::string& what, const Error& error) {
  constexpr std::size_t kMany = 100;
  if (complaints_.size() >= kMany) complaints_.clear();
  if (!complaints_.insert(what + error.to_string()).second) return;
  log_.warn("a file could not be kept", {{"what", what}, {"error", error}});
}

}  // namespace sluice::broker
