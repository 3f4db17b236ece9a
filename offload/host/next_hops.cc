// SPDX-License-Identifier: Apache-2.0
#include "offload/host/next_hops.h"

#include <linux/neighbour.h>

#include <chrono>
#include <map>
#include <optional>
#include <utility>

#include "common/netlink/rtnetlink.h"
#include "offload/host/neighbour_probes.h"
#include "offload/host/next_hop_table.h"
#include "offload/host/paced_call.h"

namespace sluice::host {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kSettle = milliseconds(20);  // route changes come in a bunch
constexpr Duration kBurst = milliseconds(50);   // changes of one are reported together
constexpr Duration kRetry = seconds(1);
constexpr Duration kTick = seconds(60);  // of NextHopTable

class NextHopsImpl final : public NextHops {
 public:
  NextHopsImpl(os::EventLoop& loop, std::string uplink, std::function<void()> on_change, Logger log,
               netlink::Rtnl rtnl)
      : loop_(loop),
        uplink_name_(std::move(uplink)),
        log_(std::move(log)),
        rtnl_(std::move(rtnl)),
        probes_(loop, [this](Ipv4 ip) { probe(ip); }),
        report_(loop, kBurst, std::move(on_change)) {}
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
  void settle_forgotten();
  void on_link(const netlink::LinkEvent& event);
  void schedule_look_up(Duration delay);
  void schedule_fresh_start();
  void schedule_tick();

  os::EventLoop& loop_;
  const std::string uplink_name_;
  const Logger log_;
  netlink::Rtnl rtnl_;
  std::optional<netlink::Monitor> monitor_;
  netlink::IfIndex uplink_;  // 0: not there now
  NextHopTable table_{kMaxDestinations};
  std::map<Ipv4, MacAddr> usable_;  // the uplink's neighbours that are usable
  NeighbourProbes probes_;
  PacedCall report_;
  bool fresh_start_ = false;  // the next look_up_all() also asks for all neighbours anew
  std::optional<os::EventLoop::TimerId> look_up_timer_, tick_timer_;
};

NextHopsImpl::~NextHopsImpl() {
  for (const auto& timer : {look_up_timer_, tick_timer_}) {
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
  handlers.address = [this](const netlink::AddressEvent&) { schedule_fresh_start(); };
  handlers.overrun = [this] { schedule_fresh_start(); };
  SLUICE_TRY(monitor_, netlink::Monitor::open(std::move(handlers)));
  SLUICE_CHECK_OK(read_uplink());
  if (uplink_.value == 0) {
    return fail(Code::kNotFound, "uplink \"" + uplink_name_ + "\": no such netdev");
  }
  SLUICE_CHECK_OK(read_neighbours());
  return loop_.watch(monitor_->fd(), [this] {
    if (auto done = monitor_->dispatch(); !done) {
      log_.warn("reading route events failed", {{"error", done.error()}});
      schedule_look_up(kRetry);
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
  schedule_tick();
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
  schedule_tick();
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
  if (table_.set_route(destination, next_hop)) report_.request();
  if (next_hop) use_neighbour(*next_hop);
}

void NextHopsImpl::use_neighbour(Ipv4 next_hop) {
  if (const auto found = usable_.find(next_hop); found != usable_.end()) {
    if (table_.set_mac(next_hop, found->second)) report_.request();
    return;
  }
  probes_.ask(next_hop);
}

void NextHopsImpl::probe(Ipv4 next_hop) {
  if (!table_.has_next_hop(next_hop)) return probes_.settled(next_hop);  // dropped for others
  if (auto done = rtnl_.probe_neighbour(uplink_, next_hop); !done) {
    log_.debug("asking for a neighbour failed",
               {{"ip", next_hop.to_string()}, {"error", done.error()}});
  }
}

void NextHopsImpl::settle_forgotten() {
  probes_.settle_unless(
      [this](Ipv4 ip) { return table_.has_next_hop(ip) && !usable_.contains(ip); });
}

void NextHopsImpl::look_up_all() {
  for (auto done : {read_uplink(), read_neighbours()}) {
    if (done) continue;
    log_.warn("reading the uplink's state failed", {{"error", done.error()}});
    schedule_look_up(kRetry);
  }
  if (std::exchange(fresh_start_, false)) {
    probes_.settle_unless([](Ipv4) { return false; });
  }
  for (const Ipv4 destination : table_.destinations()) look_up(destination);
  settle_forgotten();
}

void NextHopsImpl::take_neighbour(const netlink::Neighbour& neighbour, bool deleted) {
  if (neighbour.link != uplink_) return;
  const Ipv4 ip = neighbour.ip;
  if (!deleted && neighbour.usable()) {
    usable_[ip] = neighbour.mac;
    probes_.settled(ip);
    if (table_.set_mac(ip, neighbour.mac)) report_.request();
    return;
  }
  usable_.erase(ip);
  if (!table_.has_next_hop(ip)) return;
  if ((neighbour.state & NUD_FAILED) != 0 && !deleted) {
    if (table_.set_mac(ip, {})) report_.request();
    probes_.ask_later(ip);
  } else if (deleted) {
    // Only forgotten by the kernel, which doesn't see our packets: ask again.
    probes_.ask(ip);
  }
}

void NextHopsImpl::on_link(const netlink::LinkEvent& event) {
  if (event.link.name == uplink_name_ || event.link.index == uplink_) schedule_fresh_start();
}

void NextHopsImpl::schedule_look_up(Duration delay) {
  if (look_up_timer_) return;
  look_up_timer_ = loop_.after(delay, [this] {
    look_up_timer_.reset();
    look_up_all();
  });
}

// The network itself has changed: who didn't answer before may do so now.
void NextHopsImpl::schedule_fresh_start() {
  fresh_start_ = true;
  schedule_look_up(kSettle);
}

// Only while there is something to let go, so that an idle engine sleeps.
void NextHopsImpl::schedule_tick() {
  if (tick_timer_ || !table_.ages()) return;
  tick_timer_ = loop_.after(kTick, [this] {
    tick_timer_.reset();
    if (table_.tick()) report_.request();
    settle_forgotten();
    schedule_tick();
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
