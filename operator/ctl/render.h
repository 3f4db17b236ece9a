// SPDX-License-Identifier: Apache-2.0
// The answers of the engine and of the device plugin as text for people, and as JSON with the field
// names of offload.proto and devices.proto.
#pragma once

#include <string>

namespace sluice::api {
class DeviceList;
class EngineStatus;
class FlowList;
class PortList;
}  // namespace sluice::api

namespace sluice::ctl {

std::string status_text(const api::EngineStatus& status);
std::string status_json(const api::EngineStatus& status);
std::string flows_text(const api::FlowList& flows, bool connections_only);
std::string flows_json(const api::FlowList& flows);
std::string ports_text(const api::PortList& ports);
std::string ports_json(const api::PortList& ports);
std::string devices_text(const api::DeviceList& devices);
std::string devices_json(const api::DeviceList& devices);

}  // namespace sluice::ctl
