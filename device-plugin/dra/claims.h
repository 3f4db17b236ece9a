// SPDX-License-Identifier: Apache-2.0
// Prepares and unprepares claims: devices taken, CDI files written, all of it remembered.
//
// Contract:
// - A claim is prepared as a whole or not at all; the checkpoint is on disk before the answer.
// - Again for a claim that is prepared: the same answer; also while the API server is away. If the
//   API server says that it has other devices now, those are prepared instead.
// - Unprepare of a claim that nobody knows succeeds. One that comes while its prepare still waits
// for
//   the API server ends that.
// Threading: the loop's thread.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/base/log.h"
#include "common/base/result.h"
#include "common/os/files.h"
#include "device-plugin/cdi/spec_store.h"
#include "device-plugin/dra/checkpoint.h"
#include "device-plugin/dra/claim_reader.h"
#include "device-plugin/dra/front.h"

namespace sluice::dra {

struct Readied {  // for the kubelet's answer
  Allotted allotted;
  std::vector<std::string> cdi_devices;
  bool operator==(const Readied&) const = default;
};

class Claims {
 public:
  struct Settings {
    std::string node, state_dir, cdi_dir;
  };
  // Doesn't touch `source` (which may not be complete yet) before prepare() or retake().
  // Errors: directories that can't be made; another process has the checkpoint
  // (Code::kPrecondition). A checkpoint that can't be read is put aside.
  static Result<std::unique_ptr<Claims>> open(const Settings& settings, DeviceSource& source,
                                              ClaimReader& reader, Logger log);

  using Answer = std::map<std::string, Result<std::vector<Readied>>>;  // by UID
  using Done = std::function<void(Answer)>;
  void prepare(std::vector<ClaimRef> claims, Done done);
  std::map<std::string, Status> unprepare(const std::vector<ClaimRef>& claims);

  // Takes the devices of remembered claims that the source hasn't given yet.
  void retake();

  std::map<std::string, pools::Use> uses() const;
  std::size_t count() const { return prepared_.size(); }
  const PreparedClaims& prepared() const { return prepared_; }

 private:
  Claims(Settings settings, os::FileLock lock, cdi::SpecStore store, DeviceSource& source,
         ClaimReader& reader, Logger log)
      : settings_(std::move(settings)),
        lock_(std::move(lock)),
        store_(std::move(store)),
        source_(source),
        reader_(reader),
        log_(std::move(log)) {}

  void load();
  void put_aside(const Error& error);
  void clean_specs();
  Status save() const;
  std::string path() const { return settings_.state_dir + "/dra-checkpoint.json"; }

  Result<std::vector<Readied>> prepare_one(const ClaimRef& claim,
                                           const Result<std::string>& object);
  Result<std::vector<Readied>> prepare_anew(const ClaimRef& claim,
                                            const std::vector<Allotted>& devices);
  Result<PreparedDevice> take(const ClaimRef& claim, const Allotted& allotted);
  Result<std::vector<Readied>> again(PreparedClaim& known);
  void refresh(PreparedClaim& known);
  Status unprepare_one(const ClaimRef& claim);
  void give_back(const PreparedClaim& claim);

  const Settings settings_;
  const os::FileLock lock_;
  cdi::SpecStore store_;
  DeviceSource& source_;
  ClaimReader& reader_;
  const Logger log_;
  PreparedClaims prepared_;
  std::set<std::string> untaken_;  // UIDs: remembered, devices not taken again yet
  // By UID: how often it was unprepared while its prepare() waits for the API server.
  struct Pending {
    std::size_t waiting = 0;
    std::size_t unprepared = 0;
  };
  std::map<std::string, Pending> pending_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sluice::dra
