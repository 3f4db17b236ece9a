// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/broker/broker.h"

#include <algorithm>
#include <utility>

#include "device-plugin/broker/gpus.h"
#include "device-plugin/broker/rails.h"
#include "device-plugin/topology/preferred.h"

namespace sluice::broker {
namespace {

// Before the first list nobody knows who has what; but a kubelet that doesn't answer must not keep
// the node's pools at nothing.
constexpr auto kFirstListPatience = std::chrono::milliseconds(300);
constexpr auto kListPatience = std::chrono::seconds(2);
// GetPreferredAllocation is called while the kubelet admits a pod.
constexpr auto kPreferPatience = std::chrono::milliseconds(300);
constexpr auto kRefreshDelay = std::chrono::milliseconds(50);
constexpr std::size_t kMaxIds = 1024;

std::vector<topology::Place> places_of(const pools::Pool& pool,
                                       const std::vector<std::string>& available,
                                       const nic::Inventory& inventory,
                                       const config::Config& config) {
  const std::set<std::string> wanted(available.begin(), available.end());
  std::vector<topology::Place> places;
  std::map<std::string, std::uint32_t> free;
  for (const auto& member : pool.members) {
    if (!member.candidate || !wanted.contains(member.device.id)) continue;
    const auto& candidate = *member.candidate;
    topology::Place place;
    place.id = member.device.id;
    place.pf = candidate.pf ? candidate.pf->address.to_string() : place.id;
    place.index = candidate.index.value_or(0);
    place.rail = rail_of(candidate, inventory, config);
    place.numa_node = candidate.function->numa_node;
    place.pcie_path = candidate.function->pcie_path;
    ++free[place.pf];
    places.push_back(std::move(place));
  }
  for (auto& place : places) place.free_on_pf = free[place.pf];
  return places;
}

// The kubelet's lists are in no order; ties are decided by ours. `from_the_end`: the scheduler
// gives claims the first devices of a slice, so the kubelet's come from the other end. A claim
// whose device was granted meanwhile waits for that very one, whatever else is free.
std::vector<std::string> in_pool_order(const pools::Pool* pool, std::vector<std::string> ids,
                                       bool from_the_end) {
  if (!pool) return ids;
  std::map<std::string, std::size_t> places;
  for (const auto& member : pool->members) places.emplace(member.device.id, places.size());
  const auto place_of = [&](const std::string& id) {
    const auto found = places.find(id);
    return found == places.end() ? places.size() : found->second;
  };
  std::stable_sort(ids.begin(), ids.end(), [&](const std::string& a, const std::string& b) {
    return from_the_end ? place_of(b) < place_of(a) : place_of(a) < place_of(b);
  });
  return ids;
}

}  // namespace

Broker::Broker(os::EventLoop& loop, const Clock& clock, Settings settings, Logger log)
    : loop_(loop),
      clock_(clock),
      settings_(std::move(settings)),
      log_(std::move(log)),
      pod_resources_(loop, settings_.kubelet_dir + "/pod-resources/kubelet.sock"),
      grants_(settings_, log_.named("grants")),
      baselines_(settings_.run_dir + "/baselines", settings_.sysfs_root,
                 settings_.run_dir + "/vf.sock", log_.named("baselines")),
      pools_(config::Config{}),
      health_(settings_.down_after, settings_.up_after),
      inventory_feed_(
          loop, {settings_.sysfs_root, settings_.dev_root, settings_.rescan},
          [this](Look look) { look_arrived(std::move(look)); }, log_.named("inventory")),
      config_feed_(
          loop, settings_.config, settings_.default_prefix, settings_.rescan,
          [this](config::Config config) { config_arrived(std::move(config)); },
          log_.named("config")),
      rdma_events_(
          loop, [this](const std::string&) { inventory_feed_.look_soon(); }, log_.named("rdma")) {
  look_.inventory = std::make_shared<nic::Inventory>();
}

Broker::~Broker() {
  if (poll_timer_ != 0) loop_.cancel(poll_timer_);
  if (health_timer_set_) loop_.cancel(health_timer_);
  if (refresh_set_) loop_.cancel(refresh_timer_);
}

void Broker::connect(kubelet::Front* kubelet, dra::Front* dra) {
  kubelet_ = kubelet;
  dra_ = dra;
  if (!started_ || !kubelet_) return;
  looked_ = true;  // a front that comes late hears everything once
  refresh();
  publish();
}

void Broker::start() {
  config_feed_.start();
  inventory_feed_.look();
  list_pods(kFirstListPatience, [this](const Result<PodList>& pods) {
    if (!pods) log_.info("the kubelet doesn't say who has what yet", {{"error", pods.error()}});
    started_ = true;
    refresh();
    publish();
  });
  poll_timer_ = loop_.every(settings_.rescan,
                            [this] { list_pods(kListPatience, [](const Result<PodList>&) {}); });
}

void Broker::look_arrived(Look look) {
  look_ = std::move(look);
  looked_ = true;
  rdma_events_.watch(health::worth_watching(*look_.inventory));
  ours_.ids.clear();
  for (const auto& candidate : pools::candidates(*look_.inventory)) ours_.ids.insert(candidate.id);
  refresh();
}

// A device that is in use must not move to another pool: so first the newest word of the kubelet's.
// Whichever list comes first takes the newest configuration.
void Broker::config_arrived(config::Config config) {
  next_config_ = std::move(config);
  if (!started_) return take_config();
  list_pods(kListPatience, [this](const Result<PodList>&) { take_config(); });
}

void Broker::take_config() {
  if (!next_config_) return;
  pools_.configure(*std::exchange(next_config_, std::nullopt));
  for (const auto& pool : config().pools) ours_.resources.insert(pool.resource());
  // Pods may have devices of a pool that an earlier start understood.
  for (const auto& pool : config().refused) ours_.resources.insert(pool.resource);
  refresh();
}

void Broker::refresh() {
  const auto now = clock_.now();
  if (dra_) uses_.set_claims(dra_->uses());
  pools::Snapshot snapshot;
  snapshot.inventory = look_.inventory;
  snapshot.reserved = look_.uplinks;
  snapshot.uses = uses_.all();
  snapshot.unhealthy = unhealthy_;
  // Who has what is nothing in the kubelet's lists, but in the slices and files.
  bool changed = pools_.update(snapshot, now) || snapshot.uses != last_uses_;
  last_uses_ = snapshot.uses;
  // Whose health counts, and how, is known only when the pools are.
  auto unhealthy = assess_health();
  if (unhealthy != unhealthy_) {
    for (const auto& [id, reason] : unhealthy) {
      if (!unhealthy_.contains(id)) log_.warn("device unhealthy", {{"id", id}, {"why", reason}});
    }
    for (const auto& [id, reason] : unhealthy_) {
      if (!unhealthy.contains(id)) log_.info("device healthy again", {{"id", id}});
    }
    unhealthy_ = std::move(unhealthy);
    snapshot.unhealthy = unhealthy_;
    changed = pools_.update(snapshot, now) || changed;
  }
  plan_health_look();
  if (!started_) return;
  if (changed) publish();
  if (!changed && !looked_) return;
  looked_ = false;
  keep_files(snapshot.uses);
  // Until the kubelet has said what is in use, slices stay as an earlier run left them.
  if (dra_ && uses_.known()) dra_->changed();
}

std::map<std::string, std::string> Broker::assess_health() {
  std::map<std::string, std::optional<std::string>> observed;
  const auto host = grants_.host_facts(*look_.inventory);
  for (const auto& pool : pools_.pools()) {
    for (const auto& member : pool.members) {
      if (!member.candidate) continue;
      auto& reason = observed[member.device.id];
      reason = health::assess(*member.candidate, pool.config.health);
      if (!reason) reason = grants_.obstacle(pool, member, host);
    }
  }
  return health_.update(observed, clock_.now());
}

void Broker::plan_health_look() {
  if (health_timer_set_) loop_.cancel(health_timer_);
  const auto next = health_.next_change();
  health_timer_set_ = next.has_value();
  if (!next) return;
  const Duration wait = std::max(Duration(*next - clock_.now()), Duration(0));
  health_timer_ = loop_.after(wait + std::chrono::milliseconds(1), [this] {
    health_timer_set_ = false;
    inventory_feed_.look();
  });
}

void Broker::publish() {
  std::vector<kubelet::ServedPool> served;
  for (const auto& pool : pools_.pools()) {
    if (dra_ && pool.config.offer == config::Offer::kDra) continue;
    served.push_back({pool.config.resource(), pool.devices()});
  }
  if (kubelet_) kubelet_->publish(std::move(served));
  if (on_change_) on_change_();
}

void Broker::keep_files(const std::map<std::string, pools::Use>& uses) {
  grants_.keep_files(pools_.pools(), *look_.inventory, uses, uses_.known());
  std::set<std::string> in_use;
  for (const auto& [id, use] : uses) in_use.insert(id);
  // Before the kubelet has spoken, only a netdev shows that a VF is nobody's.
  for (const auto& pf : look_.inventory->pfs) {
    for (const auto& vf : pf.vfs) {
      if (!uses_.known() && !vf.netdev) in_use.insert(vf.address.to_string());
    }
  }
  baselines_.look(*look_.inventory, in_use);
}

void Broker::list_pods(Duration deadline, Listed then) {
  const auto number = next_query_++;
  auto query =
      pod_resources_.list(deadline, [this, number, then = std::move(then)](Result<PodList> pods) {
        // Whoever is called may start another query, or end us.
        const auto done = std::move(queries_[number]);
        queries_.erase(number);
        const std::weak_ptr<bool> alive = alive_;
        if (pods) {
          uses_.listed(*pods, ours_, clock_.now());
          if (started_) refresh();
        }
        if (alive.expired()) return;
        then(pods);
        if (!alive.expired() && pods) last_pods_ = std::move(*pods);
      });
  queries_.emplace(number, std::move(query));
}

void Broker::allocate(const std::string& resource, const std::vector<std::string>& ids,
                      Granted granted) {
  const auto* pool = pools_.find(resource);
  if (!pool) return granted(fail(Code::kNotFound, "there is no pool " + resource));
  if (ids.size() > kMaxIds) {
    return granted(fail(Code::kInvalid, std::to_string(ids.size()) +
                                            " devices asked for; at most " +
                                            std::to_string(kMaxIds) + " are allowed"));
  }
  // The pools learn of a claim with the next refresh(); a call that comes before that must not win.
  const auto claimed =
      std::find_if(ids.begin(), ids.end(), [&](const auto& id) { return claims_.contains(id); });
  auto grant = claimed == ids.end()
                   ? grants_.grant(*pool, ids, *look_.inventory)
                   : Result<allocate::Grant>(
                         fail(Code::kPrecondition, *claimed + " can't be given: a claim has it"));
  if (!grant) {
    log_.warn("allocation refused", {{"resource", resource}, {"error", grant.error()}});
    // What was refused here must not be offered any longer than it takes to look.
    inventory_feed_.look_soon();
    return granted(std::move(grant));
  }
  uses_.granted(resource, ids, clock_.now());
  granted(std::move(grant));
  refresh_later();
}

void Broker::prefer(const std::string& resource, const std::vector<std::string>& available,
                    const std::vector<std::string>& must_include, std::size_t size, Chosen chosen) {
  const auto* pool = pools_.find(resource);
  const bool shared = dra_ && pool && pool->config.offer == config::Offer::kBoth;
  const topology::Request request{in_pool_order(pool, available, shared), must_include, size};
  if (!pool) return chosen(topology::preferred(config::Policy::kPacked, request, {}, {}));
  if (pool->config.policy != config::Policy::kGpuAffine || look_.inventory->gpus.empty()) {
    return chosen(choose(*pool, request, nullptr));
  }
  list_pods(kPreferPatience,
            [this, resource, request, chosen = std::move(chosen)](const Result<PodList>& pods) {
              const auto* current = pools_.find(resource);
              if (!current)
                return chosen(topology::preferred(config::Policy::kPacked, request, {}, {}));
              chosen(choose(*current, request, pods ? &*pods : nullptr));
            });
}

std::vector<std::string> Broker::choose(const pools::Pool& pool, const topology::Request& request,
                                        const PodList* pods) const {
  std::vector<std::vector<nic::PciAddress>> gpus;
  if (pods) {
    gpus = gpus_of_new_pod(*pods, last_pods_, *look_.inventory, read_gpu_uuids(settings_.proc_root),
                           pool.config.resource());
  }
  return topology::preferred(pool.config.policy, request,
                             places_of(pool, request.available, *look_.inventory, pools_.config()),
                             gpus);
}

std::vector<dra::Offered> Broker::offered() const {
  std::vector<dra::Offered> out;
  for (const auto& pool : pools_.pools()) {
    const bool offered = !pool.draining && pool.config.offer != config::Offer::kDevicePlugin;
    for (const auto& member : pool.members) {
      if (!member.candidate) continue;
      dra::Offered offer;
      offer.only_held = !offered || member.leaving;
      const bool held = member.use && member.use->front == pools::Use::Front::kDra;
      if (offer.only_held && !held) continue;
      offer.pool = pool.config.name;
      offer.resource = pool.config.resource();
      offer.candidate = *member.candidate;
      offer.rail = rail_of(*member.candidate, *look_.inventory, pools_.config());
      if (const auto found = unhealthy_.find(member.device.id); found != unhealthy_.end()) {
        offer.unhealthy = found->second;
      }
      offer.taken = member.use && member.use->front == pools::Use::Front::kDevicePlugin;
      out.push_back(std::move(offer));
    }
  }
  return out;
}

Result<allocate::Access> Broker::take(const std::string& id, const std::string& claim_uid,
                                      const std::string& claim) {
  const auto* pool = pools_.pool_of(id);
  const auto* member = pool ? pool->find(id) : nullptr;
  if (!member) return fail(Code::kNotFound, "there is no device " + id.substr(0, 64));
  if (!uses_.known() && pool->config.offer == config::Offer::kBoth) {
    return fail(Error{Code::kUnavailable,
                      Domain::kNone,
                      0,
                      "the kubelet hasn't said yet who has " + id,
                      {},
                      Retry::kLater});
  }
  const auto holder = claims_.find(id);
  const bool by_claim = member->use && member->use->front == pools::Use::Front::kDra;
  // A claim that was prepared before our start is taken again: nobody else can hold the device.
  const bool ours = holder == claims_.end() ? by_claim : holder->second == claim_uid;
  // The books, not only the pools: those learn of a grant with the next refresh().
  const auto uses = uses_.all();
  const auto use = uses.find(id);
  const bool granted = use != uses.end() && use->second.front == pools::Use::Front::kDevicePlugin;
  if (granted) return fail(Code::kPrecondition, id + " is in use by " + use->second.holder);
  if (!ours && (member->use || holder != claims_.end())) {
    return fail(Code::kPrecondition,
                id + " is in use by " + (member->use ? member->use->holder : "another claim"));
  }
  if (!ours && pool->config.offer == config::Offer::kDevicePlugin) {
    return fail(Code::kPrecondition, "pool " + pool->config.name + " is not offered to claims");
  }
  if (const auto found = unhealthy_.find(id); !ours && found != unhealthy_.end()) {
    return fail(Code::kPrecondition, id + " can't be given: " + found->second);
  }
  SLUICE_TRY(auto access, grants_.access(*pool, *member, *look_.inventory));
  claims_[id] = claim_uid;
  uses_.claimed(id);
  log_.info("device given to a claim", {{"id", id}, {"claim", claim}});
  refresh_later();
  return access;
}

void Broker::give_back(const std::string& id, const std::string& claim_uid) {
  const auto holder = claims_.find(id);
  if (holder != claims_.end() && holder->second == claim_uid) claims_.erase(holder);
  refresh_later();
}

// Grants come in bursts; one refresh after them is enough, the books already know.
void Broker::refresh_later() {
  if (refresh_set_) return;
  refresh_set_ = true;
  refresh_timer_ = loop_.after(kRefreshDelay, [this] {
    refresh_set_ = false;
    refresh();
  });
}

void Broker::devices_of(const std::string& pod_namespace, const std::string& pod, Found found) {
  // "None" would mean a pod without devices; whose they are can't be known without a configuration.
  if (!config_state().error.empty() && config().pools.empty()) {
    return found(fail(Error{Code::kUnavailable,
                            Domain::kConfig,
                            0,
                            "no configuration is in force: " + config_state().error,
                            {},
                            Retry::kLater}));
  }
  list_pods(kListPatience,
            [this, pod_namespace, pod, found = std::move(found)](const Result<PodList>& pods) {
              if (!pods) return found(fail(Error(pods.error())));
              found(broker::devices_of(*pods, pod_namespace, pod, ours_, pools_, uses_));
            });
}

}  // namespace sluice::broker
