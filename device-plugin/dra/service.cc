// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/dra/service.h"

#include <sys/stat.h>

#include "common/os/files.h"
#include "device-plugin/dra/kubelet_dra.pb.h"
#include "device-plugin/dra/plain_text.h"

namespace sluice::dra {
namespace {

// What the kubelet looks for in supported_versions; the most recent of each kind is used.
constexpr const char* kVersions[] = {"v1.DRAPlugin", "v1beta1.DRAPlugin", "v1.DRAResourceHealth",
                                     "v1alpha1.DRAResourceHealth"};
constexpr std::size_t kMaxError = 2048;

Error unreadable(const char* what) {
  return Error{Code::kInvalid, Domain::kProtocol, 0, std::string("no ") + what, {}, Retry::kNever};
}

template <class Request>
std::vector<ClaimRef> claims_in(const Request& request) {
  std::vector<ClaimRef> out;
  for (const auto& claim : request.claims()) {
    out.push_back({claim.namespace_(), claim.uid(), claim.name()});
  }
  return out;
}

std::string text_of(const Error& error) { return plain_text(error.to_string(), kMaxError); }

std::string to_wire(const Claims::Answer& answer) {
  wire::PrepareResponse response;
  for (const auto& [uid, outcome] : answer) {
    auto& entry = (*response.mutable_claims())[uid];
    if (!outcome) {
      entry.set_error(text_of(outcome.error()));
      continue;
    }
    for (const auto& device : *outcome) {
      auto* out = entry.add_devices();
      for (const auto& request : device.allotted.requests) out->add_request_names(request);
      out->set_pool_name(device.allotted.pool);
      out->set_device_name(device.allotted.device);
      for (const auto& id : device.cdi_devices) out->add_cdi_device_ids(id);
    }
  }
  return response.SerializeAsString();
}

}  // namespace

std::string plugin_socket(const std::string& kubelet_dir) {
  return kubelet_dir + "/plugins/" + kDriver + "/dra.sock";
}

std::string registrar_socket(const std::string& kubelet_dir) {
  return kubelet_dir + "/plugins_registry/" + kDriver + "-reg.sock";
}

Result<std::unique_ptr<Service>> Service::start(os::EventLoop& loop, const std::string& kubelet_dir,
                                                Claims& claims, HealthFeed& health, Hooks hooks,
                                                Logger log, Duration watch) {
  std::unique_ptr<Service> service(
      new Service(loop, kubelet_dir, claims, health, std::move(hooks), std::move(log)));
  // The plugin first: the kubelet calls it as soon as it finds the registrar.
  SLUICE_CHECK_OK(service->listen_plugin());
  if (service->kubelet_looks()) {
    SLUICE_CHECK_OK(service->listen_registrar());
  } else {
    service->log_.info("waiting for the kubelet's directory of plugins",
                       {{"directory", kubelet_dir + "/plugins_registry"}});
  }
  auto* self = service.get();
  service->timer_ = loop.every(watch, [self] { self->check_sockets(); });
  return service;
}

Service::~Service() {
  loop_.cancel(timer_);
  registrar_.reset();  // first: nobody is to find a plugin that is going
}

Status Service::listen_plugin() {
  SLUICE_CHECK_OK(os::make_directories(kubelet_dir_ + "/plugins/" + kDriver, 0750));
  SLUICE_TRY(plugin_,
             litegrpc::Server::listen(loop_, plugin_socket(kubelet_dir_), plugin_methods(), log_));
  return {};
}

bool Service::kubelet_looks() const {
  struct stat found {};
  return ::stat((kubelet_dir_ + "/plugins_registry").c_str(), &found) == 0 &&
         S_ISDIR(found.st_mode);
}

Status Service::listen_registrar() {
  SLUICE_TRY(registrar_, litegrpc::Server::listen(loop_, registrar_socket(kubelet_dir_),
                                                  registrar_methods(), log_));
  return {};
}

// Somebody who clears the kubelet's directories takes the sockets with them; a kubelet that comes
// makes the directory that it looks into.
void Service::check_sockets() {
  using State = litegrpc::Server::SocketState;
  const auto lost = [](const std::unique_ptr<litegrpc::Server>& server) {
    return !server || server->socket_state() == State::kMissing;
  };
  const auto told = [this](const char* which, Status made) {
    if (made) {
      log_.info("socket made", {{"socket", which}});
    } else {
      log_.warn("socket not made", {{"socket", which}, {"error", made.error()}});
    }
  };
  if (lost(plugin_)) {
    plugin_.reset();
    told("plugin", listen_plugin());
  }
  if (lost(registrar_)) {
    registrar_.reset();
    if (kubelet_looks()) told("registrar", listen_registrar());
  }
}

litegrpc::Methods Service::plugin_methods() {
  litegrpc::Methods methods;
  for (const char* version : {"v1", "v1beta1"}) {
    const std::string service =
        std::string("/k8s.io.kubelet.pkg.apis.dra.") + version + ".DRAPlugin/";
    methods.unary[service + "NodePrepareResources"] = [this](std::string_view request,
                                                             litegrpc::Reply reply) {
      prepare(request, std::move(reply));
    };
    methods.unary[service + "NodeUnprepareResources"] = [this](std::string_view request,
                                                               const litegrpc::Reply& reply) {
      unprepare(request, reply);
    };
  }
  for (const char* version : {"v1", "v1alpha1"}) {
    methods.streaming[std::string("/") + version + ".DRAResourceHealth/NodeWatchResources"] =
        [this](std::string_view, std::shared_ptr<litegrpc::ServerStream> stream) {
          health_.add(std::move(stream));
        };
  }
  return methods;
}

litegrpc::Methods Service::registrar_methods() {
  litegrpc::Methods methods;
  methods.unary["/pluginregistration.Registration/GetInfo"] = [this](std::string_view,
                                                                     const litegrpc::Reply& reply) {
    wire::PluginInfo info;
    info.set_type("DRAPlugin");
    info.set_name(kDriver);
    info.set_endpoint(plugin_socket(kubelet_dir_));
    for (const char* version : kVersions) info.add_supported_versions(version);
    reply(info.SerializeAsString());
  };
  methods.unary["/pluginregistration.Registration/NotifyRegistrationStatus"] =
      [this](std::string_view request, const litegrpc::Reply& reply) { notified(request, reply); };
  return methods;
}

void Service::notified(std::string_view request, const litegrpc::Reply& reply) {
  wire::RegistrationStatus status;
  if (!status.ParseFromArray(request.data(), static_cast<int>(request.size()))) {
    reply(fail(unreadable("RegistrationStatus")));
    return;
  }
  const std::string error = plain_text(status.error(), 200);
  if (status.plugin_registered()) {
    log_.info("registered with the kubelet");
  } else {
    log_.warn("the kubelet refused the registration", {{"error", error}});
  }
  if (hooks_.registered) hooks_.registered(status.plugin_registered(), error);
  reply(wire::RegistrationStatusResponse().SerializeAsString());
}

void Service::prepare(std::string_view request, litegrpc::Reply reply) {
  wire::PrepareRequest parsed;
  if (!parsed.ParseFromArray(request.data(), static_cast<int>(request.size()))) {
    reply(fail(unreadable("NodePrepareResourcesRequest")));
    return;
  }
  claims_.prepare(claims_in(parsed), [this, alive = std::weak_ptr<bool>(alive_),
                                      reply = std::move(reply)](const Claims::Answer& answer) {
    if (alive.expired()) return;
    reply(to_wire(answer));
    if (hooks_.claims_changed) hooks_.claims_changed();
  });
}

void Service::unprepare(std::string_view request, const litegrpc::Reply& reply) {
  wire::UnprepareRequest parsed;
  if (!parsed.ParseFromArray(request.data(), static_cast<int>(request.size()))) {
    reply(fail(unreadable("NodeUnprepareResourcesRequest")));
    return;
  }
  wire::UnprepareResponse response;
  for (const auto& [uid, status] : claims_.unprepare(claims_in(parsed))) {
    auto& entry = (*response.mutable_claims())[uid];
    if (!status) entry.set_error(text_of(status.error()));
  }
  reply(response.SerializeAsString());
  if (hooks_.claims_changed) hooks_.claims_changed();
}

}  // namespace sluice::dra
