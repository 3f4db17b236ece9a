// SPDX-License-Identifier: Apache-2.0
#include "offload/main/daemon.h"

#include <unistd.h>

#include <csignal>
#include <memory>
#include <optional>

#include "common/base/clock.h"
#include "common/netlink/rtnetlink.h"
#include "common/os/event_loop.h"
#include "common/os/files.h"
#include "common/os/netns.h"
#include "offload/backends/rteflow/backend.h"
#include "offload/engine/engine.h"
#include "offload/engine/pending_attachments.h"
#include "offload/legs/packet_leg.h"
#include "offload/main/adapters.h"
#include "offload/main/privileges.h"
#include "offload/pmd/net_esw.h"
#include "offload/rpc/server.h"
#include "offload/sources/manifest.h"
#include "offload/sources/manifest_watch.h"

#ifndef SLUICE_VERSION
#error "the build sets SLUICE_VERSION"
#endif

namespace sluice::offloadd {
namespace {

constexpr const char* kDevice = "net_esw0";
// Locally administered; the same on every node, as the gateway address is.
constexpr MacAddr kGatewayMac{{0x0e, 0x53, 0x4c, 0x00, 0x00, 0x01}};
// Above the kernel's default ephemeral ports (32768 to 60999) and the NodePorts; one masked rule.
constexpr model::PortRange kMasquerade{0xf000, 0xffff};

// Before anything is made that would have to be taken back.
Status check_uplink(const std::string& name) {
  SLUICE_TRY(auto rtnl, netlink::Rtnl::open());
  auto link = rtnl.link(name);
  if (link) return {};
  return fail(std::move(link).error().with("looking for the uplink '" + name + "' (--uplink)"));
}

// Everything that runs, built top to bottom, destroyed bottom to top.
class Daemon {
 public:
  Daemon(const Flags& flags, const Logger& log) : flags_(flags), log_(log), sink_(kDevice) {}
  ~Daemon();

  Status start();
  Status run();

 private:
  Status start_nic();
  Status start_host();
  Status start_engine();
  Status watch_manifest();
  void remove_what_was_made();
  void follow_uplink();

  const Flags& flags_;
  const Logger& log_;
  SteadyClock clock_;
  SystemRng rng_;
  PmdLegSink sink_;

  std::optional<os::FileLock> lock_;
  std::unique_ptr<os::EventLoop> loop_;
  bool eal_ = false;
  bool fresh_ = false;  // nothing of an earlier engine was there
  bool ran_ = false;
  std::optional<Error> failure_;  // why the loop was stopped from inside
  std::unique_ptr<rteflow::Device> device_;
  std::unique_ptr<softnic::SoftNic> nic_;
  std::unique_ptr<host::HostNetwork> host_;
  std::unique_ptr<host::NextHops> hops_;
  std::unique_ptr<rteflow::Backend> backend_;
  std::unique_ptr<DevicePackets> packets_;
  std::unique_ptr<KernelNetwork> network_;
  std::unique_ptr<KernelNextHops> next_hops_;
  std::unique_ptr<SoftDevices> devices_;
  std::unique_ptr<slowpath::SlowPath> slow_path_;
  std::unique_ptr<engine::SlowPathThread> slow_thread_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<engine::PendingAttachments> pending_;
  std::unique_ptr<os::FrameServer> server_;
  std::unique_ptr<sources::ManifestWatch> watch_;
};

Status Daemon::start() {
  SLUICE_CHECK_OK(check_privileges());
  SLUICE_CHECK_OK(check_uplink(flags_.uplink));
  SLUICE_CHECK_OK(os::make_directories(flags_.run_dir));
  auto lock = os::FileLock::try_acquire(flags_.run_dir + "/offloadd.lock");
  if (!lock) {
    return fail(
        std::move(lock).error().with("taking " + flags_.run_dir + " (another engine runs there?)"));
  }
  lock_ = std::move(*lock);
  fresh_ = ::access(flags_.rep_netns.c_str(), F_OK) != 0 &&
           ::access((flags_.run_dir + "/attachments").c_str(), F_OK) != 0;
  SLUICE_TRY(loop_, os::EventLoop::create());
  // Before any thread is started, so that all of them leave the signals to the loop.
  SLUICE_CHECK_OK(loop_->on_signals({SIGTERM, SIGINT}, [this](int signal) {
    log_.info("stopping", {{"signal", signal}});
    loop_->stop();
  }));
  SLUICE_CHECK_OK(start_nic());
  SLUICE_CHECK_OK(start_host());
  SLUICE_CHECK_OK(start_engine());
  return watch_manifest();
}

Status Daemon::start_nic() {
  pmd::link_driver();
  rteflow::EalOptions options;
  options.try_hugepages = flags_.hugepages;
  SLUICE_CHECK_OK(rteflow::start_eal(options, log_.named("eal")));
  eal_ = true;
  SLUICE_CHECK_OK(rteflow::add_vdev(kDevice, "representor=vf[0-" + std::to_string(flags_.vfs - 1) +
                                                 "],host=1,rules=" + std::to_string(flags_.rules)));
  SLUICE_TRY(device_, rteflow::Device::open(kDevice, log_.named("rteflow")));
  backend_ = std::make_unique<rteflow::Backend>(device_->ports(), device_->capabilities(),
                                                rteflow::BackendOptions{}, log_.named("rteflow"));
  SLUICE_TRY(nic_,
             softnic::SoftNic::create(
                 *loop_, {flags_.uplink, flags_.vfs, flags_.rep_netns, flags_.run_dir, flags_.node},
                 sink_, log_.named("softnic")));
  return device_->set_mtu(nic_->uplink_mtu());
}

Status Daemon::start_host() {
  host::HostOptions options;
  options.node = flags_.node;
  options.uplink = flags_.uplink;
  options.bridge = flags_.bridge;
  SLUICE_TRY(host_, host::HostNetwork::create(options, nic_->representors(), log_.named("host")));
  SLUICE_TRY(auto leg, legs::open_packet_leg(nic_->representors(), host_->host_leg(),
                                             legs::PacketLegOptions{nic_->uplink_mtu()}));
  SLUICE_CHECK_OK(sink_.attach(softnic::kHostPort, std::move(leg)));
  SLUICE_TRY(hops_, host::NextHops::create(
                        *loop_, flags_.uplink,
                        [this] {
                          if (engine_) engine_->on_next_hops_changed();
                        },
                        log_.named("next-hops")));
  return {};
}

Status Daemon::start_engine() {
  SLUICE_TRY(const auto gateway_ip, Ipv4::parse(flags_.gateway_ip));
  engine::NodeSettings settings;
  settings.node = flags_.node;
  settings.gateway_ip = gateway_ip;
  settings.gateway_mac = kGatewayMac;
  settings.node0_mac = host_->node0_mac();
  settings.uplink_mac = nic_->uplink_mac();
  settings.uplink_mtu = nic_->uplink_mtu();
  settings.vni = flags_.vni;
  settings.masquerade = kMasquerade;

  packets_ = std::make_unique<DevicePackets>(*device_);
  network_ = std::make_unique<KernelNetwork>(*host_);
  next_hops_ = std::make_unique<KernelNextHops>(*hops_);
  devices_ = std::make_unique<SoftDevices>(*nic_, kDevice, flags_.uplink, flags_.bridge);
  slow_path_ = std::make_unique<slowpath::SlowPath>(slowpath::Options{}, *packets_, *backend_,
                                                    clock_, rng_, log_.named("slow-path"));
  slow_path_->on_want_next_hop([this](Ipv4 destination) {
    loop_->post([this, destination] { engine_->want_next_hop(destination); });
  });
  SLUICE_TRY(slow_thread_,
             engine::SlowPathThread::create(*packets_, *slow_path_, [this](Error error) {
               loop_->post([this, error = std::move(error)] {
                 failure_ = error;
                 loop_->stop();
               });
             }));
  SLUICE_TRY(auto attachments, engine::Attachments::load(flags_.run_dir + "/attachments"));
  engine_ = std::make_unique<engine::Engine>(
      settings,
      engine::Engine::Parts{*loop_, clock_, *backend_, *slow_thread_, *network_, *next_hops_,
                            *devices_},
      std::move(attachments), log_.named("engine"));
  nic_->on_change([this] { follow_uplink(); });
  return slow_thread_->start();
}

void Daemon::follow_uplink() {
  engine_->on_uplink_changed(nic_->uplink_mac(), nic_->uplink_mtu());
  if (auto set = device_->set_mtu(nic_->uplink_mtu()); !set) {
    log_.warn("the NIC doesn't take the uplink's MTU", {{"error", set.error()}});
  }
}

Status Daemon::watch_manifest() {
  SLUICE_TRY(watch_,
             sources::ManifestWatch::start(
                 *loop_, flags_.manifest, [this](Result<sources::Manifest> manifest) {
                   if (!manifest) return engine_->on_manifest_error(manifest.error());
                   auto cluster = sources::merge(*manifest);
                   if (!cluster) return engine_->on_manifest_error(cluster.error());
                   for (const auto& warning : cluster->warnings) {
                     log_.warn("manifest", {{"object", warning.object}, {"note", warning.message}});
                   }
                   engine_->on_manifest(std::move(cluster->nodes), std::move(cluster->services));
                 }));
  rpc::ServerInfo info;
  info.version = SLUICE_VERSION;
  info.backend_reason = flags_.nic == "soft"
                            ? "forced by --nic=soft"
                            : "this release drives no NIC in switchdev mode yet: the software NIC";
  info.dpdk = rteflow::dpdk_version();
  info.manifest = flags_.manifest;
  info.bridge = flags_.bridge;
  info.sysfs_root = nic_->sysfs_root();
  info.vf_control_socket = nic_->vf_control_socket();
  info.pending_directory = flags_.pending_directory();
  SLUICE_TRY(pending_, engine::PendingAttachments::start(
                           *loop_, *engine_, flags_.pending_directory(), log_.named("pending")));
  // Last: whoever sees the socket may call.
  SLUICE_TRY(server_, rpc::serve(*loop_, flags_.socket(), *engine_, std::move(info)));
  return {};
}

Status Daemon::run() {
  ran_ = true;
  log_.info("ready", {{"node", flags_.node}, {"socket", flags_.socket()}, {"vfs", flags_.vfs}});
  loop_->run();
  if (failure_) return fail(*failure_);
  if (engine_->backend_gone()) {
    return fail(Code::kUnavailable, "the backend is gone; see the log");
  }
  return {};
}

Daemon::~Daemon() {
  server_.reset();
  pending_.reset();
  watch_.reset();
  if (slow_thread_) slow_thread_->stop();
  engine_.reset();
  hops_.reset();
  slow_thread_.reset();
  slow_path_.reset();  // takes its flows out of the backend
  backend_.reset();
  // A start that failed removes what it made itself, not the ports of running pods.
  if (flags_.remove_on_exit && (ran_ || fresh_)) remove_what_was_made();
  if (device_) {
    device_->close();
    (void)rteflow::remove_vdev(kDevice);
  }
  if (eal_) rteflow::stop_eal();
}

void Daemon::remove_what_was_made() {
  const auto say = [this](const Status& gone, const char* what) {
    if (!gone) log_.warn("not removed", {{"what", what}, {"error", gone.error()}});
  };
  if (host_) say(host_->destroy(), "host side");
  if (nic_) say(nic_->destroy(), "software NIC");
  say(os::remove_file(flags_.run_dir + "/attachments"), "attachments");
  say(os::remove_tree(flags_.pending_directory()), "pending attachments");
}

}  // namespace

Status run(const Flags& flags, const Logger& log) {
  Daemon daemon(flags, log);
  SLUICE_CHECK_OK(daemon.start());
  return daemon.run();
}

}  // namespace sluice::offloadd
