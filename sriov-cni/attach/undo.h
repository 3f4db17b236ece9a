// SPDX-License-Identifier: Apache-2.0
// Takes back what an ADD has made: DEL, an ADD that failed, one that died, GC and repair all do it
// by this.
//
// Contract: from the records alone, whatever is there of what they say; any number of times. The
// order is: the engine forgets it (its rules go before the port does), the VF or veth comes back,
// the addresses are released (before, by what was asked through the port: port_comes_first()), the
// device-info file and the record go. An engine that is gone is left a withdrawal, which it applies
// at its start before anybody can attach anything: that is as good as told. An address that the
// engine may still have rules for, without a withdrawal, is nobody else's: it and the record wait
// for the next try. Likewise a record whose addresses could not be released, or whose VF has not
// come back.
// Of several interfaces the last goes first. The VFs' locks are taken here.
// Errors: the first one; everything else is tried all the same.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/os/netns.h"
#include "sriov-cni/attach/context.h"
#include "sriov-cni/journal/journal.h"

namespace sluice::cni {

class Undoer {
 public:
  Undoer(Context& context, const Journal& journal) : context_(context), journal_(journal) {}

  // All of one ADD; its attachment's lock is held. `netns`: where the runtime says that the pod's
  // namespace is, or empty. Never added: success.
  Status attachment(const AttachmentKey& key, const std::string& netns);

  // One record; its VF's lock is held too. `pod`: null when the namespace is gone. What was not
  // begun is said by the record: no engine, no IPAM, stage kPortReturned.
  Status one(Record record, const os::NetNs* pod, const std::string& netns);

 private:
  Result<std::vector<AttachmentKey>> interfaces_of(const AttachmentKey& key) const;
  Status interface(const AttachmentKey& key, const std::string& netns);
  Status what_is_known(const AttachmentKey& key, const std::string& netns);
  Status unknown(const AttachmentKey& key, const std::string& netns);
  Status addresses_of_unknown(const AttachmentKey& key, const std::string& netns);
  Status damaged(const AttachmentKey& key, const std::string& netns, const Error& why);
  void remove_device_info(const std::string& file);
  // `known`: there was a record. Else no withdrawal is left of what almost certainly never was.
  Status tell_engine(const Record& record, bool known = true);
  Status detach(const Record& record);
  void tell_engine_of_unknown(const AttachmentKey& key);
  Status return_port(const Record& record, const os::NetNs* pod, PortTimes& times);
  Status release(const Record& record, const std::string& netns);
  Status release_timed(const Record& record, const std::string& netns);
  Status delegates_del(const AttachmentKey& key, const std::string& netns);

  Context& context_;
  const Journal& journal_;
};

}  // namespace sluice::cni
