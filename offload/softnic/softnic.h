// SPDX-License-Identifier: Apache-2.0
// The simulated NIC: VFs as veth pairs whose representor ends live in a namespace of their own,
// a sysfs tree that discovery reads, a VfControl socket, and the legs of it all.
//
// Contract: create() takes over what an earlier, perhaps killed, process left under the same names.
// VFs outlive the object; only destroy() removes them. A VF whose pair died with a namespace is
// made again with the same name, MAC and PCI address. A VF that came back from a pod is left as it
// came. A representor that is down (made half, or set so) is put right. Threading: everything on
// the loop's thread. LegSink and on_change are called there, never from inside create()'s caller's
// other calls except attach() during create(). Errors: what fails after create() is logged and
// tried again, with back-off.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "common/base/addr.h"
#include "common/base/log.h"
#include "common/base/result.h"
#include "common/os/event_loop.h"
#include "common/os/netns.h"
#include "offload/softnic/types.h"

namespace sluice::softnic {

class SoftNic {
 public:
  // The loop and the sink must outlive it.
  static Result<std::unique_ptr<SoftNic>> create(os::EventLoop& loop, Options options,
                                                 LegSink& sink, Logger log);
  virtual ~SoftNic() = default;

  virtual std::vector<VfState> vfs() const = 0;  // by index
  // Of the uplink; the last known ones while it is missing.
  virtual MacAddr uplink_mac() const = 0;
  virtual std::uint16_t uplink_mtu() const = 0;
  virtual const os::NetNs& representors() const = 0;
  virtual std::string sysfs_root() const = 0;         // <run_dir>/sysfs
  virtual std::string vf_control_socket() const = 0;  // <run_dir>/vf.sock
  // Called after any of the above has changed; one callback, the last one set. Rules, claims and
  // MTUs hang on the uplink's MAC and MTU (an operator, a bond or DHCP changes them under us):
  // whoever read them must read them again here. The representors' MTU follows by itself.
  virtual void on_change(std::function<void()> callback) = 0;
  // Removes all that it made: VFs (also those in pods), namespace, tree, socket. Nothing else may
  // be called afterwards.
  virtual Status destroy() = 0;
};

}  // namespace sluice::softnic
