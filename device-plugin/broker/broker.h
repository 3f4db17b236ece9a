// SPDX-License-Identifier: Apache-2.0
// The middle of the device plugin: knows every device, who has it and how it is, and answers the
// fronts (kubelet, DRA, lookup) from that one book.
//
// Contract: level-triggered. Whatever happens (the inventory, the configuration, a grant, a claim,
// the kubelet's list, time) leads to refresh(), which works out all pools anew and publishes what
// changed. Nothing that can't be given is offered; what is given is looked at again first.
// Threading: the loop's thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/os/event_loop.h"
#include "device-plugin/broker/baselines.h"
#include "device-plugin/broker/config_feed.h"
#include "device-plugin/broker/grants.h"
#include "device-plugin/broker/inventory_feed.h"
#include "device-plugin/broker/settings.h"
#include "device-plugin/broker/uses.h"
#include "device-plugin/dra/front.h"
#include "device-plugin/health/health.h"
#include "device-plugin/health/rdma_events.h"
#include "device-plugin/kubelet/front.h"
#include "device-plugin/kubelet/pod_resources.h"
#include "device-plugin/lookup/directory.h"
#include "device-plugin/pools/pool_set.h"
#include "device-plugin/topology/preferred.h"

namespace sluice::broker {

class Broker final : public kubelet::Allocator, public dra::DeviceSource, public lookup::Directory {
 public:
  Broker(os::EventLoop& loop, const Clock& clock, Settings settings, Logger log);
  ~Broker() override;
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  // The fronts that are told of changes; either may be null. They outlive this, or are taken away
  // first.
  void connect(kubelet::Front* kubelet, dra::Front* dra);
  // Called after every refresh that changed a list.
  void on_change(std::function<void()> changed) { on_change_ = std::move(changed); }
  // Reads configuration and inventory, asks the kubelet who has what, and publishes: at the latest
  // after kFirstListPatience, whatever the kubelet does.
  void start();

  void allocate(const std::string& resource, const std::vector<std::string>& ids,
                Granted granted) override;
  void prefer(const std::string& resource, const std::vector<std::string>& available,
              const std::vector<std::string>& must_include, std::size_t size,
              Chosen chosen) override;

  std::vector<dra::Offered> offered() const override;
  std::uint32_t plain_ports() const override { return config().plain_ports; }
  Result<allocate::Access> take(const std::string& id, const std::string& claim_uid,
                                const std::string& claim) override;
  void give_back(const std::string& id, const std::string& claim_uid) override;

  void devices_of(const std::string& pod_namespace, const std::string& pod, Found found) override;
  const pools::PoolSet& pools() const override { return pools_; }

  const ConfigFeed::State& config_state() const { return config_feed_.state(); }
  const config::Config& config() const { return pools_.config(); }
  const InventoryFeed& inventory_feed() const { return inventory_feed_; }
  bool uses_known() const { return uses_.known(); }

 private:
  using Listed = std::function<void(const Result<PodList>&)>;

  void look_arrived(Look look);
  void config_arrived(config::Config config);
  void take_config();
  void refresh();
  std::map<std::string, std::string> assess_health();
  void publish();
  void keep_files(const std::map<std::string, pools::Use>& uses);
  // Asks the kubelet; `then` runs on the loop, with the list already in the books.
  void list_pods(Duration deadline, Listed then);
  void plan_health_look();
  void refresh_later();
  std::vector<std::string> choose(const pools::Pool& pool, const topology::Request& request,
                                  const PodList* pods) const;

  os::EventLoop& loop_;
  const Clock& clock_;
  Settings settings_;
  Logger log_;
  kubelet::PodResources pod_resources_;
  Grants grants_;
  Baselines baselines_;
  pools::PoolSet pools_;
  Uses uses_;
  health::Hysteresis health_;
  Look look_;
  std::map<std::string, std::string> unhealthy_;
  Ours ours_;
  std::optional<config::Config> next_config_;  // waits for the newest word of the kubelet
  std::map<std::string, std::string> claims_;  // device id -> the claim's uid
  std::map<std::string, pools::Use> last_uses_;
  PodList last_pods_;
  kubelet::Front* kubelet_ = nullptr;
  dra::Front* dra_ = nullptr;
  std::function<void()> on_change_;
  bool looked_ = false;   // since the last refresh
  bool started_ = false;  // publishing
  std::map<std::uint64_t, std::unique_ptr<kubelet::PodResources::Query>> queries_;
  std::uint64_t next_query_ = 1;
  os::EventLoop::TimerId poll_timer_ = 0;
  os::EventLoop::TimerId health_timer_ = 0;
  bool health_timer_set_ = false;
  os::EventLoop::TimerId refresh_timer_ = 0;
  bool refresh_set_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  InventoryFeed inventory_feed_;
  ConfigFeed config_feed_;
  health::RdmaEvents rdma_events_;
};

}  // namespace sluice::broker
