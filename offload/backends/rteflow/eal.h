// SPDX-License-Identifier: Apache-2.0
// DPDK's environment layer: started once a process, without leaving files or pinned threads behind.
//
// Contract: no PCI device is touched unless `extra` asks for it; DPDK's log goes to the Logger.
// EAL starts once a process: after stop_eal(), or a failed start, a second start is an Error.
// Threading: any thread, one at a time. The caller is not pinned: EAL starts on a thread of its
// own. Errors: domain kDpdk, `native` is rte_errno, the message holds DPDK's own words.
#pragma once

#include <string>
#include <vector>

#include "common/base/log.h"
#include "common/base/result.h"

namespace sluice::rteflow {

struct EalOptions {
  bool try_hugepages = true;       // used when enough are free; nothing ever reserves any
  std::vector<std::string> extra;  // further EAL arguments, as they are
};

Status start_eal(const EalOptions& options, Logger log);
void stop_eal();

// A virtual device, e.g. "net_esw0" with "representor=[0-3]".
Status add_vdev(const std::string& name, const std::string& args);
Status remove_vdev(const std::string& name);

std::string dpdk_version();

// Makes the calling thread known to DPDK for as long as it lives.
class ThreadRegistration {
 public:
  ThreadRegistration() = default;
  ThreadRegistration(const ThreadRegistration&) = delete;
  ThreadRegistration& operator=(const ThreadRegistration&) = delete;
  ~ThreadRegistration() { leave(); }

  Status enter();  // once, on the thread that is to be registered
  void leave();    // on the same thread

 private:
  bool entered_ = false;
};

}  // namespace sluice::rteflow
