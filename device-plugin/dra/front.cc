// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/dra/front.h"

#include <chrono>

#include "common/kube/client.h"
#include "common/kube/config.h"
#include "device-plugin/dra/claim_reader.h"
#include "device-plugin/dra/claims.h"
#include "device-plugin/dra/health_feed.h"
#include "device-plugin/dra/publisher.h"
#include "device-plugin/dra/service.h"
#include "device-plugin/dra/slices.h"

namespace sluice::dra {
namespace {

std::int64_t unix_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

ClientFactory client_factory(const std::string& kubeconfig, const Logger& log) {
  return [kubeconfig, log]() -> Result<std::unique_ptr<kube::Client>> {
    SLUICE_TRY(auto config, kubeconfig.empty() ? kube::in_cluster(kube::pod_environment())
                                               : kube::load_kubeconfig(kubeconfig));
    return kube::Client::make(std::move(config), log);
  };
}

class DraFront final : public Front {
 public:
  DraFront(os::EventLoop& loop, Settings settings, DeviceSource& source, Logger log)
      : settings_(std::move(settings)),
        source_(source),
        log_(std::move(log)),
        factory_(client_factory(settings_.kubeconfig, log_.named("kube"))),
        reader_(make_claim_reader(loop, factory_)),
        health_(loop, unix_seconds) {}

  Status start(os::EventLoop& loop) {
    SLUICE_TRY(claims_, Claims::open({settings_.node, settings_.state_dir, settings_.cdi_dir},
                                     source_, *reader_, log_));
    PublisherSettings publisher;
    publisher.node = settings_.node;
    publisher.resync = settings_.resync;
    publisher_ = Publisher::start(publisher, factory_, std::make_unique<SystemRng>(), log_);
    Service::Hooks hooks;
    hooks.claims_changed = [this] { update_health(); };
    hooks.registered = [this](bool registered, const std::string&) {
      registered_ = registered;
      publisher_->poke();
    };
    SLUICE_TRY(service_, Service::start(loop, settings_.kubelet_dir, *claims_, health_,
                                        std::move(hooks), log_));
    return {};
  }

  void changed() override {
    claims_->retake();
    auto contents = contents_of(source_.offered(), settings_.node, source_.plain_ports());
    if (contents.nameless != nameless_) {
      nameless_ = contents.nameless;
      for (const auto& id : nameless_) log_.warn("no name for a device", {{"device", id}});
    }
    publisher_->want(std::move(contents.pools));
    offered_once_ = true;
    update_health();
  }

  std::map<std::string, pools::Use> uses() const override { return claims_->uses(); }

  State state() const override {
    const auto published = publisher_->state();
    State out;
    out.registered = registered_;
    out.prepared = claims_->count();
    out.slices = published.slices;
    out.last_error = published.last_error;
    return out;
  }

 private:
  void update_health() {
    if (!offered_once_) return;
    health_.update(health_table(source_.offered(), claims_->prepared(), settings_.node,
                                source_.plain_ports()));
  }

  const Settings settings_;
  DeviceSource& source_;
  const Logger log_;
  const ClientFactory factory_;
  std::vector<std::string> nameless_;
  bool registered_ = false, offered_once_ = false;
  // Destroyed from below: nothing outlives what it uses.
  std::unique_ptr<ClaimReader> reader_;
  HealthFeed health_;
  std::unique_ptr<Claims> claims_;
  std::unique_ptr<Publisher> publisher_;
  std::unique_ptr<Service> service_;
};

}  // namespace

Result<std::unique_ptr<Front>> Front::make(os::EventLoop& loop, Settings settings,
                                           DeviceSource& source, Logger log) {
  if (settings.node.empty()) {
    return fail(Code::kInvalid, "the node's name is empty; DRA needs it (--node-name)");
  }
  auto front = std::make_unique<DraFront>(loop, std::move(settings), source, std::move(log));
  SLUICE_CHECK_OK(front->start(loop));
  return std::unique_ptr<Front>(std::move(front));
}

}  // namespace sluice::dra
