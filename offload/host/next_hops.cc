// SPDX-License-Identifier: Apache-2.0
#include "offload/host/next_hops.h"

#include <linux/neighbour.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>

#include "common/netlink/rtnetlink.h"
#include "offload/host/next_hop_table.h"

namespace sluice::host {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kSettle = milliseconds(20);  // route changes come in a bunch
constexpr Duration kFirstProbe = seconds(1);
constexpr Duration kLastProbe = seconds(64);

class NextHopsImpl final : public NextHops {
 public:
  NextHopsImpl(os::EventLoop& loop, std::string uplink, std::function<void()> on_change, Logger log,
               netlink::Rtnl rtnl)
      : loop_(loop),
        uplink_name_(std::move(uplink)),
        on_change_(std::move(on_change)),
        log_(std::move(log)),
        rtnl_(std::move(rtnl)) {}
  NextHopsImpl(const NextHopsImpl&) = delete;
  NextHopsImpl& operator=(const NextHopsImpl&) = delete;
  ~NextHopsImpl() override;

  Status start();
  void want(Ipv4 destination) override;
  void keep(const std::vector<Ipv4>& destinations) override;
  std::vector<model::NextHop> next_hops() const override { return table_.next_hops(); }
  std::vector<model::OuterRoute> routes() const override { return table_.routes(); }

 private:
  Status read_uplink();
  Status read_neighbours();
  void look_up(Ipv4 destination);
  void look_up_all();
  void take_neighbour(const netlink::Neighbour& neighbour, bool deleted);
  void use_neighbour(Ipv4 next_hop);
  void probe(Ipv4 next_hop);
  void probe_unresolved();
  void on_link(const netlink::LinkEvent& event);
  void schedule_look_up(Duration delay);
  void schedule_probe(Duration delay);
  void changed();

  os::EventLoop& loop_;
  const std::string uplink_name_;
  const std::function<void()> on_change_;
  const Logger log_;
  netlink::Rtnl rtnl_;
  std::optional<netlink::Monitor> monitor_;
  netlink::IfIndex uplink_;  // 0: not there now
  NextHopTable table_{kMaxDestinations};
  std::map<Ipv4, MacAddr> usable_;  // the uplink's neighbours that are usable
  std::optional<os::EventLoop::TimerId> look_up_timer_, probe_timer_, change_timer_;
  Duration probe_delay_ = kFirstProbe;
};

NextHopsImpl::~NextHopsImpl() {
  for (const auto& timer : {look_up_timer_, probe_timer_, change_timer_}) {
    if (timer) loop_.cancel(*timer);
  }
  if (monitor_) loop_.unwatch(monitor_->fd());
}

Status NextHopsImpl::start() {
  netlink::MonitorHandlers handlers;
  handlers.link = [this](const netlink::LinkEvent& event) { on_link(event); };
  handlers.neighbour = [this](const netlink::NeighbourEvent& event) {
    take_neighbour(event.neighbour, event.deleted);
  };
  handlers.route = [this](const netlink::RouteEvent&) { schedule_look_up(kSettle); };
  handlers.address = [this](const netlink::AddressEvent&) { schedule_look_up(kSettle); };
  handlers.overrun = [this] { schedule_look_up(kSettle); };
  SLUICE_TRY(monitor_, netlink::Monitor::open(std::move(handlers)));
  SLUICE_CHECK_OK(read_uplink());
  if (uplink_.value == 0) {
    return fail(Code::kNotFound, "uplink \"" + uplink_name_ + "\": no such netdev");
  }
  SLUICE_CHECK_OK(read_neighbours());
  return loop_.watch(monitor_->fd(), [this] {
    if (auto done = monitor_->dispatch(); !done) {
      log_.warn("reading route events failed", {{"error", done.error()}});
      schedule_look_up(kFirstProbe);
    }
  });
}

Status NextHopsImpl::read_uplink() {
  const auto link = rtnl_.link(uplink_name_);
  if (!link && link.error().code != Code::kNotFound) return fail(link.error());
  uplink_ = link ? link->index : netlink::IfIndex{};
  return {};
}

Status NextHopsImpl::read_neighbours() {
  usable_.clear();
  if (uplink_.value == 0) return {};
  SLUICE_TRY(const auto neighbours, rtnl_.neighbours(uplink_));
  for (const auto& neighbour : neighbours) {
    if (neighbour.usable()) usable_[neighbour.ip] = neighbour.mac;
  }
  return {};
}

void NextHopsImpl::want(Ipv4 destination) {
  if (table_.want(destination)) look_up(destination);
}

void NextHopsImpl::keep(const std::vector<Ipv4>& destinations) {
  std::set<Ipv4> kept;
  for (const Ipv4 ip : destinations) {
    if (kept.size() == kMaxDestinations) {
      log_.warn("more destinations to keep than there is room for",
                {{"count", destinations.size()}});
      break;
    }
    kept.insert(ip);
  }
  table_.keep(kept);
  for (const Ipv4 ip : kept) want(ip);
}

void NextHopsImpl::look_up(Ipv4 destination) {
  std::optional<Ipv4> next_hop;
  if (uplink_.value != 0) {
    // No route at all is an answer, not a failure: an event tells when there is one.
    const auto route = rtnl_.lookup_route(destination);
    if (route && !route->local && route->link == uplink_) {
      next_hop = route->gateway.value_or(destination);
    }
  }
  if (table_.set_route(destination, next_hop)) changed();
  if (next_hop) use_neighbour(*next_hop);
}

void NextHopsImpl::use_neighbour(Ipv4 next_hop) {
  if (const auto found = usable_.find(next_hop); found != usable_.end()) {
    if (table_.set_mac(next_hop, found->second)) changed();
    return;
  }
  probe(next_hop);
  probe_delay_ = kFirstProbe;
  schedule_probe(probe_delay_);
}

void NextHopsImpl::probe(Ipv4 next_hop) {
  if (auto done = rtnl_.probe_neighbour(uplink_, next_hop); !done) {
    log_.debug("asking for a neighbour failed",
               {{"ip", next_hop.to_string()}, {"error", done.error()}});
  }
}

void NextHopsImpl::probe_unresolved() {
  bool any = false;
  for (const auto& hop : table_.next_hops()) {
    if (hop.resolved && usable_.contains(hop.ip)) continue;
    if (uplink_.value != 0) probe(hop.ip);
    any = true;
  }
  if (!any) return;
  probe_delay_ = std::min(probe_delay_ * 2, kLastProbe);
  schedule_probe(probe_delay_);
}

void NextHopsImpl::look_up_all() {
  for (auto done : {read_uplink(), read_neighbours()}) {
    if (done) continue;
    log_.warn("reading the uplink's state failed", {{"error", done.error()}});
    schedule_look_up(kFirstProbe);
  }
  for (const Ipv4 destination : table_.destinations()) look_up(destination);
}

void NextHopsImpl::take_neighbour(const netlink::Neighbour& neighbour, bool deleted) {
  if (neighbour.link != uplink_) return;
  const Ipv4 ip = neighbour.ip;
  if (!deleted && neighbour.usable()) {
    usable_[ip] = neighbour.mac;
    if (table_.set_mac(ip, neighbour.mac)) changed();
    return;
  }
  usable_.erase(ip);
  if (!table_.has_next_hop(ip)) return;
  if ((neighbour.state & NUD_FAILED) != 0 && !deleted) {
    if (table_.set_mac(ip, {})) changed();
    if (!probe_timer_) schedule_probe(probe_delay_);
  } else if (deleted) {
    // Only forgotten by the kernel, which doesn't see our packets: ask again.
    probe(ip);
    schedule_probe(kFirstProbe);
  }
}

void NextHopsImpl::on_link(const netlink::LinkEvent& event) {
  if (event.link.name == uplink_name_ || event.link.index == uplink_) schedule_look_up(kSettle);
}

void NextHopsImpl::schedule_look_up(Duration delay) {
  if (look_up_timer_) return;
  look_up_timer_ = loop_.after(delay, [this] {
    look_up_timer_.reset();
    look_up_all();
  });
}

void NextHopsImpl::schedule_probe(Duration delay) {
  if (probe_timer_) loop_.cancel(*probe_timer_);
  probe_timer_ = loop_.after(delay, [this] {
    probe_timer_.reset();
    probe_unresolved();
  });
}

void NextHopsImpl::changed() {
  if (change_timer_) return;
  change_timer_ = loop_.after(Duration::zero(), [this] {
    change_timer_.reset();
    if (on_change_) on_change_();
  });
}

}  // namespace

Result<std::unique_ptr<NextHops>> NextHops::create(os::EventLoop& loop, std::string uplink,
                                                   std::function<void()> on_change, Logger log) {
  SLUICE_TRY(auto rtnl, netlink::Rtnl::open());
  auto hops = std::make_unique<NextHopsImpl>(loop, std::move(uplink), std::move(on_change),
                                             std::move(log), std::move(rtnl));
  SLUICE_CHECK_OK(hops->start());
  return std::unique_ptr<NextHops>(std::move(hops));
}

}  // namespace sluice::host
