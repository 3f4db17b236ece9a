// SPDX-License-Identifier: Apache-2.0
// The rte_flow backend: planned rules and the slow path's flows as transfer rules of one eswitch.
//
// Contract: as model::FlowBackend says. A changed rule is made beside its old version before that
// goes; if the new one is refused the old one goes too, and the packets come to the slow path.
// Threading: any thread; one mutex.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "common/base/log.h"
#include "offload/backends/rteflow/translate.h"
#include "offload/model/flow_backend.h"

namespace sluice::rteflow {

struct BackendOptions {
  std::uint16_t vxlan_port = 4789;  // RFC 7348; as Intent::vxlan_port
};

class Backend final : public model::FlowBackend {
 public:
  // The ports must be started, and stay so until the Backend is gone. `device`: as of
  // Device::capabilities(); what rules can do is probed here.
  Backend(EthPorts ports, model::Capabilities device, BackendOptions options, Logger log);
  ~Backend() override;  // takes all its rules out
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  model::Capabilities capabilities() const override;
  Result<std::vector<model::RuleState>> apply(const model::Delta& delta) override;
  Result<std::vector<model::RuleState>> dump() override;
  Result<model::FlowHandle> install(const model::Rule& rule) override;
  Status remove(model::FlowHandle handle) override;
  Result<model::FlowStats> query(model::FlowHandle handle) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sluice::rteflow
