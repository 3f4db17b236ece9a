// SPDX-License-Identifier: Apache-2.0
// ADD and DEL: the steps, their order, and the undoing.
//
// Contract: ADD does everything or nothing, be it one interface or several; its error is the first
// one. DEL takes back all that its ADD made, by the records alone: no device plugin is asked. It
// may be called any number of times, also for what was never added. Both take the attachment's
// lock, so that a DEL waits for the ADD that the runtime gave up on.
// Threading: one call at a time in a process; any number of processes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/log.h"
#include "common/base/result.h"
#include "sriov-cni/attach/engine_client.h"
#include "sriov-cni/attach/nics.h"
#include "sriov-cni/attach/record.h"
#include "sriov-cni/attach/vf_port.h"
#include "sriov-cni/attach/wanted.h"
#include "sriov-cni/config/environment.h"
#include "sriov-cni/config/net_config.h"
#include "sriov-cni/config/result.h"

namespace sluice::cni {

class Attacher {
 public:
  Attacher(NetConfig config, Logger log);

  Result<AddResult> add(const Invocation& call);
  Status del(const Invocation& call);

 private:
  struct Plan;
  struct PlannedPort;
  Result<AddResult> add_locked(const Invocation& call, const RecordStore& records);
  Status find_ports(const std::vector<Wanted>& wanted, const Invocation& call,
                    const RecordStore& records, Plan& plan);
  Status claim_vf(const RecordStore& records, const nic::PciAddress& address);
  Status carry_out(Plan& plan, const RecordStore& records);
  Status make_port(const Plan& plan, PlannedPort& port);
  Status roll_back(const Plan& plan, const RecordStore& records);
  Result<std::vector<std::string>> ids_of(const Invocation& call, const RecordStore& records);
  Status undo_leftovers(const Invocation& call, const std::vector<Wanted>& wanted,
                        const RecordStore& records);
  Status undo_all(const Invocation& call, const RecordStore& records, const std::string& netns);
  Status undo_one(const std::string& id, const RecordStore& records, const std::string& netns);
  Status undo(Record record, const RecordStore& records, const os::NetNs* pod, bool told_engine);

  NetConfig config_;
  Logger log_;
  EngineClient engine_;
  Nics nics_;  // of the present call
};

}  // namespace sluice::cni
