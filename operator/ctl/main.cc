// SPDX-License-Identifier: Apache-2.0
// sluicectl: looks into the offload engine and the device plugin of this node, and starts the CNI
// plugin's repair. Flags and printing only.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <type_traits>
#include <vector>

#include "common/api/devices.pb.h"
#include "common/api/offload.pb.h"
#include "operator/ctl/client.h"
#include "operator/ctl/render.h"
#include "operator/ctl/repair.h"

namespace {

using sluice::api::Request;
using sluice::api::Response;

struct Flags {
  std::string socket = "/run/sluice/offload.sock";
  std::string devices_socket = "/run/sluice/device-plugin.sock";
  std::string cni;
  bool json = false;
  bool connections = false;
  std::uint64_t id = 0;
};

template <class Answer>
int print(const sluice::Result<Answer>& response,
          const std::function<std::string(const std::type_identity_t<Answer>&)>& render) {
  if (!response) {
    std::fprintf(stderr, "sluicectl: %s\n", response.error().to_string().c_str());
    return 1;
  }
  const auto text = render(*response);
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() ? 0 : 1;
}

int status(const Flags& flags) {
  Request request;
  request.mutable_status();
  return print(sluice::ctl::call(flags.socket, request), [&](const Response& r) {
    return flags.json ? sluice::ctl::status_json(r.status()) : sluice::ctl::status_text(r.status());
  });
}

int flows(const Flags& flags) {
  Request request;
  request.mutable_list_flows()->set_connections_only(flags.connections);
  return print(sluice::ctl::call(flags.socket, request), [&](const Response& r) {
    return flags.json ? sluice::ctl::flows_json(r.flows())
                      : sluice::ctl::flows_text(r.flows(), flags.connections);
  });
}

int delete_flow(const Flags& flags) {
  Request request;
  request.mutable_delete_flow()->set_connection(flags.id);
  bool existed = false;
  const int status = print(sluice::ctl::call(flags.socket, request), [&](const Response& r) {
    existed = r.delete_flow().existed();
    return existed ? "connection " + std::to_string(flags.id) + " goes on in the slow path\n"
                   : std::string();
  });
  if (status == 0 && !existed) {
    std::fprintf(stderr,
                 "sluicectl: no connection has the id %s; see sluicectl flows --connections\n",
                 std::to_string(flags.id).c_str());
    return 1;
  }
  return status;
}

int ports(const Flags& flags) {
  Request request;
  request.mutable_list_ports();
  return print(sluice::ctl::call(flags.socket, request), [&](const Response& r) {
    return flags.json ? sluice::ctl::ports_json(r.ports()) : sluice::ctl::ports_text(r.ports());
  });
}

int devices(const Flags& flags) {
  sluice::api::DevicesRequest request;
  request.mutable_list_devices();
  return print(sluice::ctl::call_devices(flags.devices_socket, request), [&](const auto& r) {
    return flags.json ? sluice::ctl::devices_json(r.list()) : sluice::ctl::devices_text(r.list());
  });
}

int repair(const Flags& flags, const std::vector<std::string>& arguments) {
  const auto program = sluice::ctl::find_cni(flags.cni, sluice::ctl::cni_folders());
  const auto error = program ? sluice::ctl::exec_repair(*program, arguments) : program.error();
  std::fprintf(stderr, "sluicectl: %s\n", error.to_string().c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Looks into the Sluice offload engine and device plugin of this node"};
  Flags flags;
  // The variable is read by hand: CLI11 can't tell it from the option, which `devices` refuses.
  if (const char* socket = std::getenv("SLUICE_SOCKET"); socket != nullptr && *socket != 0) {
    flags.socket = socket;
  }
  auto* engine_socket =
      app.add_option("--socket", flags.socket, "The engine's socket (Env:SLUICE_SOCKET)")
          ->capture_default_str();
  app.require_subcommand(1);

  auto* status_command = app.add_subcommand("status", "Backend, counts, the slow path's reasons");
  auto* flows_command =
      app.add_subcommand("flows", "Rules and connections, with what they carried");
  auto* ports_command = app.add_subcommand("ports", "Eswitch ports, their pods and counters");
  auto* devices_command =
      app.add_subcommand("devices", "The device plugin's pools and devices, and who has them");
  devices_command->add_option("--socket", flags.devices_socket, "The device plugin's socket")
      ->envname("SLUICE_DEVICE_PLUGIN_SOCKET")
      ->capture_default_str();
  for (auto* command : {status_command, flows_command, ports_command, devices_command}) {
    command->add_flag("--json", flags.json, "Machine-readable output");
  }
  flows_command->add_flag("--connections", flags.connections, "Only connections");
  auto* delete_command = flows_command->add_subcommand(
      "delete", "Take one connection's flows out of the NIC; it goes on in the slow path");
  delete_command->add_option("id", flags.id, "The connection's id")->required();
  auto* repair_command = app.add_subcommand(
      "repair",
      "Gets back what pods that are gone left behind: sluice-cni repair, with these arguments "
      "(--dry-run: only says what)");
  repair_command->add_option("--cni", flags.cni,
                             "The program (default: beside this one, else in /opt/cni/bin)");
  repair_command->allow_extras();
  repair_command->set_help_flag();  // --help is sluice-cni's own
  CLI11_PARSE(app, argc, argv);

  if (devices_command->parsed() && engine_socket->count() > 0) {
    std::fprintf(stderr,
                 "sluicectl: --socket before 'devices' is the engine's, which isn't asked; the "
                 "device plugin's comes after it: sluicectl devices --socket PATH\n");
    return 1;
  }
  if (repair_command->parsed()) return repair(flags, repair_command->remaining());
  if (delete_command->parsed()) return delete_flow(flags);
  if (flows_command->parsed()) return flows(flags);
  if (ports_command->parsed()) return ports(flags);
  if (devices_command->parsed()) return devices(flags);
  return status(flags);
}
