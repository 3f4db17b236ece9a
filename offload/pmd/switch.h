// SPDX-License-Identifier: Apache-2.0
// One net_esw device: its ports, its rules, its datapath.
//
// Threading: ports are made before any of them can be used and stay until the last is closed.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "offload/eswitch/pipeline.h"
#include "offload/pmd/datapath.h"
#include "offload/pmd/port.h"

namespace sluice::pmd {

struct SwitchOptions {
  std::string name;
  std::vector<std::uint16_t> vfs;  // indexes, ascending
  bool host = true;
  std::uint32_t rules = 0;               // presize
  std::vector<std::string> ethdev_legs;  // of port 0, 1, ... in order of ports that exist
};

class Switch {
 public:
  explicit Switch(SwitchOptions options);
  ~Switch();
  Switch(const Switch&) = delete;
  Switch& operator=(const Switch&) = delete;

  static constexpr std::uint16_t kNoPort = 0xffff;

  const SwitchOptions& options() const { return options_; }
  std::uint16_t domain() const { return domain_; }
  void set_domain(std::uint16_t domain) { domain_ = domain; }
  eswitch::Pipeline& pipeline() { return pipeline_; }
  Datapath& datapath() { return datapath_; }

  // Makes the port's rings and interrupt; false: out of memory or descriptors.
  bool make_port(std::uint16_t index, std::uint16_t port_id);
  Port* port(std::uint16_t index) const {
    return index < ports_.size() ? ports_[index].get() : nullptr;
  }
  // By ethdev port; kNoPort for one that is not ours.
  std::uint16_t index_of(std::uint16_t port_id) const;
  // The port is closed. True for the last: the switch may go.
  bool close_port(Port& port);

 private:
  const SwitchOptions options_;
  std::uint16_t domain_ = 0;
  eswitch::Pipeline pipeline_;
  std::array<std::unique_ptr<Port>, eswitch::kMaxPorts> ports_;
  std::vector<std::uint16_t> by_port_id_;
  unsigned open_ports_ = 0;
  Datapath datapath_;
};

}  // namespace sluice::pmd
