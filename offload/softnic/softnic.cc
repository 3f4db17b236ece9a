// SPDX-License-Identifier: Apache-2.0
#include "offload/softnic/softnic.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "common/os/files.h"
#include "offload/legs/packet_leg.h"
#include "offload/softnic/identity.h"
#include "offload/softnic/live_tree.h"
#include "offload/softnic/nic_tree.h"
#include "offload/softnic/vf_pairs.h"
#include "offload/softnic/vf_service.h"

namespace sluice::softnic {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kSettle = milliseconds(10);  // events of one change come in a bunch
constexpr Duration kFirstRetry = milliseconds(250);
constexpr Duration kLastRetry = seconds(30);
constexpr std::size_t kNameMax = 15;  // IFNAMSIZ - 1

Status check(const Options& options) {
  if (options.vfs == 0 || options.vfs > kMaxVfs) {
    return fail(Code::kInvalid, "vfs " + std::to_string(options.vfs) + ": allowed are 1 to " +
                                    std::to_string(kMaxVfs));
  }
  const auto last = static_cast<std::uint16_t>(options.vfs - 1);
  if (options.uplink.empty() || vf_name(options.uplink, last).size() > kNameMax) {
    return fail(Code::kInvalid, "uplink \"" + options.uplink +
                                    "\": a VF is named <uplink>v<index>, "
                                    "allowed are " +
                                    std::to_string(kNameMax) + " characters");
  }
  if (options.node.empty()) return fail(Code::kInvalid, "node \"\": a name is needed");
  if (options.run_dir.empty() || options.rep_netns_path.empty()) {
    return fail(Code::kInvalid, "run_dir and rep_netns_path must not be empty");
  }
  return {};
}

class SoftNicImpl final : public SoftNic {
 public:
  SoftNicImpl(os::EventLoop& loop, Options options, LegSink& sink, Logger log, os::NetNs here,
              VfPairs pairs, LiveTree tree)
      : loop_(loop),
        options_(std::move(options)),
        sink_(sink),
        log_(std::move(log)),
        here_(std::move(here)),
        pairs_(std::move(pairs)),
        tree_(std::move(tree)),
        vfs_(options_.vfs) {}
  SoftNicImpl(const SoftNicImpl&) = delete;
  SoftNicImpl& operator=(const SoftNicImpl&) = delete;
  ~SoftNicImpl() override { stop(); }

  Status start();

  std::vector<VfState> vfs() const override { return now_.vfs; }
  MacAddr uplink_mac() const override { return now_.uplink_mac; }
  std::uint16_t uplink_mtu() const override { return now_.uplink_mtu; }
  const os::NetNs& representors() const override { return pairs_.representors(); }
  std::string sysfs_root() const override { return options_.run_dir + "/sysfs"; }
  std::string vf_control_socket() const override { return options_.run_dir + "/vf.sock"; }
  void on_change(std::function<void()> callback) override { on_change_ = std::move(callback); }
  Status destroy() override;

 private:
  struct VfSlot {
    VfSettings settings;
    netlink::IfIndex attached;  // the representor that the leg in the sink stands on; 0: none
  };

  struct View {  // what the outside is shown
    std::vector<VfState> vfs;
    MacAddr uplink_mac;
    std::uint16_t uplink_mtu = 1500;
    bool operator==(const View&) const = default;
  };

  MacAddr mac_of(std::uint16_t index) const { return mac_of(index, vfs_[index].settings); }
  MacAddr mac_of(std::uint16_t index, const VfSettings& settings) const {
    return settings.mac.is_zero() ? vf_mac(options_.node, index) : settings.mac;
  }
  Status watch_links();
  void schedule(Duration delay);
  void reconcile_and_report();
  Status reconcile();
  Status remake(std::uint16_t index, std::uint32_t mtu);
  Status attach(std::uint16_t port, const os::NetNs& netns, const netlink::Link& link,
                netlink::IfIndex& attached);
  Status detach(std::uint16_t port, netlink::IfIndex& attached);
  Status reconcile_pairs();
  Status reconcile_legs();
  void look_at(const Links& links);
  std::vector<VfState> states_of(const Links& links) const;
  Status publish();
  Result<VfSettings> change_vf(const nic::PciAddress& vf, const netlink::VfAttributes& wanted);
  Status keep(std::uint16_t index, bool set_mac, const VfSettings& settings);
  void stop();

  os::EventLoop& loop_;
  const Options options_;
  LegSink& sink_;
  const Logger log_;
  const os::NetNs here_;
  VfPairs pairs_;
  LiveTree tree_;
  std::vector<VfSlot> vfs_;
  netlink::IfIndex uplink_attached_;
  Links links_;          // as of the last scan
  View now_, reported_;  // as of the last scan; as of the last on_change
  std::optional<netlink::Monitor> here_events_, rep_events_;
  std::unique_ptr<VfService> service_;
  std::function<void()> on_change_;
  std::optional<os::EventLoop::TimerId> timer_;
  Duration retry_ = kFirstRetry;
};

// While the uplink is missing, what is known of it stays: nothing can leave, and nobody has to plan
// with an address of zero.
void SoftNicImpl::look_at(const Links& links) {
  now_.vfs = states_of(links);
  if (!links.uplink) return;
  now_.uplink_mac = links.uplink->mac;
  now_.uplink_mtu = static_cast<std::uint16_t>(
      std::min<std::uint32_t>(links.uplink->mtu, std::numeric_limits<std::uint16_t>::max()));
}

Status SoftNicImpl::start() {
  SLUICE_CHECK_OK(watch_links());
  SLUICE_CHECK_OK(pairs_.remove_surplus());
  SLUICE_TRY(const auto found, pairs_.scan());
  if (!found.uplink) {
    return fail(Code::kNotFound, "uplink \"" + options_.uplink + "\": no such netdev");
  }
  for (std::uint16_t i = 0; i < options_.vfs; ++i) {
    if (found.vfs[i].representor) {
      vfs_[i].settings = VfPairs::remembered(*found.vfs[i].representor);
    }
  }
  SLUICE_CHECK_OK(reconcile());
  reported_ = now_;
  SLUICE_TRY(service_, VfService::listen(
                           loop_, vf_control_socket(),
                           [this](const nic::PciAddress& vf, const netlink::VfAttributes& wanted) {
                             return change_vf(vf, wanted);
                           }));
  return {};
}

Status SoftNicImpl::watch_links() {
  const auto handlers = [this] {
    netlink::MonitorHandlers result;
    result.link = [this](const netlink::LinkEvent&) { schedule(kSettle); };
    result.overrun = [this] { schedule(kSettle); };
    return result;
  };
  SLUICE_TRY(here_events_, netlink::Monitor::open(handlers()));
  SLUICE_TRY(rep_events_, netlink::Monitor::open_in(pairs_.representors(), handlers()));
  for (auto* monitor : {&*here_events_, &*rep_events_}) {
    SLUICE_CHECK_OK(loop_.watch(monitor->fd(), [this, monitor] {
      if (auto done = monitor->dispatch(); !done) {
        log_.warn("reading link events failed", {{"error", done.error()}});
        schedule(kFirstRetry);
      }
    }));
  }
  return {};
}

void SoftNicImpl::schedule(Duration delay) {
  if (timer_) loop_.cancel(*timer_);
  timer_ = loop_.after(delay, [this] {
    timer_.reset();
    reconcile_and_report();
  });
}

void SoftNicImpl::reconcile_and_report() {
  if (auto done = reconcile(); !done) {
    log_.warn("bringing the simulated NIC up to date failed", {{"error", done.error()}});
    schedule(retry_);
    retry_ = std::min(retry_ * 2, kLastRetry);
  } else {
    retry_ = kFirstRetry;
  }
  // Compared with what was told, not with what was known before: others scan as well.
  if (now_ == reported_) return;
  reported_ = now_;
  if (on_change_) on_change_();
}

Status SoftNicImpl::attach(std::uint16_t port, const os::NetNs& netns, const netlink::Link& link,
                           netlink::IfIndex& attached) {
  if (attached == link.index) return {};
  SLUICE_CHECK_OK(detach(port, attached));
  legs::PacketLegOptions leg_options;
  leg_options.mtu = link.mtu;
  SLUICE_TRY(auto leg, legs::open_packet_leg(netns, link.index, leg_options));
  SLUICE_CHECK_OK(sink_.attach(port, std::move(leg)));
  attached = link.index;
  log_.info("leg attached", {{"port", port}, {"netdev", link.name}});
  return {};
}

Status SoftNicImpl::detach(std::uint16_t port, netlink::IfIndex& attached) {
  if (attached.value == 0) return {};
  SLUICE_CHECK_OK(sink_.detach(port));
  attached = {};
  return {};
}

Status SoftNicImpl::remake(std::uint16_t index, std::uint32_t mtu) {
  SLUICE_CHECK_OK(pairs_.make(index, mac_of(index), mtu));
  log_.info("VF made", {{"vf", index}, {"netdev", vf_name(options_.uplink, index)}});
  return {};
}

// Every VF has its pair, every pair works and has its leg, and the tree says so. One broken VF
// doesn't stop the others: the first error is returned at the end.
Status SoftNicImpl::reconcile() {
  Status result;
  const auto note = [&result](Status status) {
    if (!status && result) result = std::move(status);
  };
  SLUICE_TRY(links_, pairs_.scan());
  look_at(links_);
  note(reconcile_pairs());
  note(reconcile_legs());
  look_at(links_);
  note(publish());
  return result;
}

Status SoftNicImpl::reconcile_pairs() {
  Status result;
  const auto note = [&result](Status status) {
    if (!status && result) result = std::move(status);
  };
  bool changed = false;
  for (std::uint16_t i = 0; i < options_.vfs; ++i) {
    if (const auto& rep = links_.vfs[i].representor) {
      const auto mended = pairs_.set_right(*rep, now_.uplink_mtu);
      changed = changed || mended.value_or(false);
      if (!mended) note(fail(mended.error()));
      continue;
    }
    note(detach(static_cast<std::uint16_t>(kFirstVfPort + i), vfs_[i].attached));
    auto done = remake(i, now_.uplink_mtu);
    changed = changed || done.has_value();
    note(std::move(done));
  }
  if (!changed) return result;
  SLUICE_TRY(links_, pairs_.scan());
  for (std::uint16_t i = 0; i < options_.vfs; ++i) {
    const auto& rep = links_.vfs[i].representor;
    if (rep && VfPairs::remembered(*rep) != vfs_[i].settings) {
      note(pairs_.remember(rep->index, vfs_[i].settings));
    }
  }
  return result;
}

Status SoftNicImpl::reconcile_legs() {
  Status result;
  const auto note = [&result](Status status) {
    if (!status && result) result = std::move(status);
  };
  if (links_.uplink) {
    note(attach(kUplinkPort, here_, *links_.uplink, uplink_attached_));
  } else {
    note(detach(kUplinkPort, uplink_attached_));
  }
  for (std::uint16_t i = 0; i < options_.vfs; ++i) {
    if (const auto& rep = links_.vfs[i].representor) {
      note(attach(static_cast<std::uint16_t>(kFirstVfPort + i), pairs_.representors(), *rep,
                  vfs_[i].attached));
    }
  }
  return result;
}

std::vector<VfState> SoftNicImpl::states_of(const Links& links) const {
  std::vector<VfState> states;
  for (std::uint16_t i = 0; i < options_.vfs; ++i) {
    const VfPair& pair = links.vfs[i];
    VfState state{i, vf_address(i), "", mac_of(i), VfPlace::kGone};
    if (pair.netdev) {
      state.netdev = pair.netdev->name;
      state.mac = pair.netdev->mac;
      state.place = VfPlace::kHere;
    } else if (pair.representor) {
      state.place = VfPlace::kInPod;
    }
    states.push_back(std::move(state));
  }
  return states;
}

Status SoftNicImpl::publish() {
  NicDescription description;
  description.pf = pf_address();
  description.switch_id = switch_id(options_.node, options_.uplink);
  description.uplink_name = options_.uplink;
  description.uplink = links_.uplink;
  for (std::uint16_t i = 0; i < options_.vfs; ++i) {
    const VfPair& pair = links_.vfs[i];
    description.vfs.push_back({i, vf_address(i), pair.netdev, pair.representor});
  }
  return tree_.publish(describe(description));
}

Result<VfSettings> SoftNicImpl::change_vf(const nic::PciAddress& vf,
                                          const netlink::VfAttributes& wanted) {
  const auto found = std::find_if(now_.vfs.begin(), now_.vfs.end(),
                                  [&](const VfState& state) { return state.address == vf; });
  if (found == now_.vfs.end()) {
    return fail(Code::kNotFound, "pci_address " + vf.to_string() + ": not a VF of this NIC");
  }
  const std::uint16_t index = found->index;
  SLUICE_TRY(const auto after, changed(vfs_[index].settings, wanted));
  if (wanted.mac || after != vfs_[index].settings) {
    SLUICE_CHECK_OK(keep(index, wanted.mac.has_value(), after));
  }
  return after;
}

// All of it or nothing: the netdev gets its old MAC back when the rest can't be kept.
Status SoftNicImpl::keep(std::uint16_t index, bool set_mac, const VfSettings& settings) {
  // The events may lag behind the caller's own move: look again.
  SLUICE_TRY(links_, pairs_.scan());
  VfPair& pair = links_.vfs[index];
  const MacAddr mac = mac_of(index, settings);
  const bool is_here = pair.netdev && pair.representor;
  netlink::LinkChange change, undo;
  // A VF in a pod keeps the MAC that it has, as a bound VF of hardware does.
  set_mac = set_mac && is_here;
  if (set_mac) {
    change.mac = mac;
    undo.mac = pair.netdev->mac;
    SLUICE_CHECK_OK(pairs_.change_netdev(pair.netdev->index, change));
  }
  // A pair that is made again is told then.
  if (pair.representor) {
    if (auto kept = pairs_.remember(pair.representor->index, settings); !kept) {
      if (set_mac) (void)pairs_.change_netdev(pair.netdev->index, undo);
      return kept;
    }
  }
  vfs_[index].settings = settings;
  if (!set_mac) return {};
  // The answer finds the tree up to date; listeners hear of it from the loop.
  schedule(Duration::zero());
  pair.netdev->mac = mac;
  return publish();
}

void SoftNicImpl::stop() {
  service_.reset();
  if (timer_) loop_.cancel(*timer_);
  timer_.reset();
  for (auto* monitor : {&here_events_, &rep_events_}) {
    if (*monitor) loop_.unwatch((*monitor)->fd());
    monitor->reset();
  }
}

Status SoftNicImpl::destroy() {
  stop();
  Status result;
  const auto note = [&result](Status status) {
    if (!status && result) result = std::move(status);
  };
  note(detach(kUplinkPort, uplink_attached_));
  for (std::uint16_t i = 0; i < options_.vfs; ++i) {
    note(detach(static_cast<std::uint16_t>(kFirstVfPort + i), vfs_[i].attached));
  }
  note(tree_.remove());
  note(pairs_.remove_all());
  return result;
}

}  // namespace

Result<std::unique_ptr<SoftNic>> SoftNic::create(os::EventLoop& loop, Options options,
                                                 LegSink& sink, Logger log) {
  SLUICE_CHECK_OK(check(options));
  SLUICE_CHECK_OK(os::make_directories(options.run_dir));
  SLUICE_TRY(auto here, os::NetNs::current());
  SLUICE_TRY(auto pairs, VfPairs::open(options, log));
  SLUICE_TRY(auto tree, LiveTree::open(options.run_dir + "/sysfs"));
  auto nic = std::make_unique<SoftNicImpl>(loop, std::move(options), sink, std::move(log),
                                           std::move(here), std::move(pairs), std::move(tree));
  SLUICE_CHECK_OK(nic->start());
  return std::unique_ptr<SoftNic>(std::move(nic));
}

}  // namespace sluice::softnic
