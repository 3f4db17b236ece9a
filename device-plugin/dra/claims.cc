// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/dra/claims.h"

#include <cstdio>

#include <algorithm>

#include "common/os/files.h"
#include "device-plugin/dra/claim_spec.h"
#include "device-plugin/dra/names.h"

namespace sluice::dra {
namespace {

constexpr std::size_t kMaxClaimsInRequest = 256;
constexpr std::size_t kMaxCheckpointBytes = std::size_t{16} << 20U;

std::vector<Readied> readied(const PreparedClaim& claim) {
  std::vector<Readied> out;
  for (const auto& device : claim.devices) {
    out.push_back(
        {device.allotted, {qualified_cdi_device(claim.claim.uid, device.allotted.device)}});
  }
  return out;
}

std::vector<Allotted> allotted_of(const PreparedClaim& claim) {
  std::vector<Allotted> out;
  for (const auto& device : claim.devices) out.push_back(device.allotted);
  return out;
}

}  // namespace

Result<std::unique_ptr<Claims>> Claims::open(const Settings& settings, DeviceSource& source,
                                             ClaimReader& reader, Logger log) {
  SLUICE_CHECK_OK(os::make_directories(settings.state_dir, 0700));
  SLUICE_TRY(auto lock, os::FileLock::try_acquire(settings.state_dir + "/dra.lock"));
  SLUICE_TRY(auto store, cdi::SpecStore::open(settings.cdi_dir));
  std::unique_ptr<Claims> claims(
      new Claims(settings, std::move(lock), std::move(store), source, reader, std::move(log)));
  claims->load();
  return claims;
}

void Claims::load() {
  auto text = os::read_file(path(), kMaxCheckpointBytes);
  if (!text && text.error().code == Code::kNotFound) {
    clean_specs();
    return;
  }
  auto claims = text ? parse_checkpoint(*text) : Result<PreparedClaims>(fail(text.error()));
  if (!claims) {
    put_aside(claims.error());
    return;
  }
  prepared_ = *std::move(claims);
  for (const auto& [uid, claim] : prepared_) {
    untaken_.insert(uid);
    // The directory of CDI files doesn't outlive a reboot; the checkpoint does.
    if (auto put = store_.put(spec_set_of(uid), spec_of(claim)); !put) {
      log_.warn("CDI file not restored", {{"claim", claim.claim.shown()}, {"error", put.error()}});
    }
  }
  clean_specs();
  log_.info("claims remembered", {{"count", prepared_.size()}});
}

void Claims::put_aside(const Error& error) {
  const std::string aside = path() + ".unreadable";
  const bool moved = ::rename(path().c_str(), aside.c_str()) == 0;
  // Their CDI files stay: containers of running pods may need them.
  log_.warn("checkpoint of claims can't be read; begun anew",
            {{"file", path()}, {"moved_to", moved ? aside : "nowhere"}, {"error", error}});
}

// Files of claims that were never answered, or unprepared just before the end.
void Claims::clean_specs() {
  const auto sets = store_.sets();
  if (!sets) return;
  const std::string prefix = kClaimSetPrefix;
  for (const auto& set : *sets) {
    if (!set.starts_with(prefix) || prepared_.contains(set.substr(prefix.size()))) continue;
    if (auto removed = store_.remove(set); !removed) {
      log_.warn("CDI file not removed", {{"set", set}, {"error", removed.error()}});
    }
  }
}

Status Claims::save() const {
  auto saved = os::write_file_atomic(path(), render(prepared_), 0600);
  if (!saved) return fail(std::move(saved).error().with("writing the checkpoint of claims"));
  return {};
}

void Claims::prepare(std::vector<ClaimRef> claims, Done done) {
  auto answer = std::make_shared<Answer>();
  std::vector<ClaimRef> good;
  std::map<std::string, std::size_t> before;  // how often each had been unprepared
  for (auto& claim : claims) {
    if (answer->contains(claim.uid) || before.contains(claim.uid)) continue;
    auto checked = check(claim);
    if (checked && good.size() >= kMaxClaimsInRequest) {
      checked = fail(Code::kExhausted,
                     "more than " + std::to_string(kMaxClaimsInRequest) + " claims in one request");
    }
    if (!checked) {
      answer->emplace(claim.uid, fail(checked.error()));
      continue;
    }
    auto& pending = pending_[claim.uid];
    ++pending.waiting;
    before[claim.uid] = pending.unprepared;
    good.push_back(claim);
  }
  if (good.empty()) {
    done(std::move(*answer));
    return;
  }
  reader_.read(good, [this, alive = std::weak_ptr<bool>(alive_), answer, good, before,
                      done = std::move(done)](std::vector<Result<std::string>> objects) {
    if (alive.expired()) return;
    for (std::size_t i = 0; i < good.size(); ++i) {
      const ClaimRef& claim = good[i];
      const auto pending = pending_.find(claim.uid);
      const bool ended = pending->second.unprepared != before.at(claim.uid);
      if (--pending->second.waiting == 0) pending_.erase(pending);
      if (ended) {
        answer->emplace(claim.uid, fail(Code::kPrecondition,
                                        "claim " + claim.shown() + " was unprepared meanwhile"));
        continue;
      }
      const Result<std::string> nothing = fail(Code::kInternal, "the claim was not read");
      auto outcome = prepare_one(claim, i < objects.size() ? objects[i] : nothing);
      if (!outcome) {
        log_.warn("claim not prepared", {{"claim", claim.shown()}, {"error", outcome.error()}});
      }
      answer->emplace(claim.uid, std::move(outcome));
    }
    done(std::move(*answer));
  });
}

Result<std::vector<Readied>> Claims::prepare_one(const ClaimRef& claim,
                                                 const Result<std::string>& object) {
  const auto known = prepared_.find(claim.uid);
  if (!object) {
    const bool away = object.error().code != Code::kNotFound;
    if (known != prepared_.end() && away) return again(known->second);
    return fail(object.error());
  }
  SLUICE_TRY(const auto devices, parse_claim(*object, claim));
  if (known != prepared_.end()) {
    if (allotted_of(known->second) == devices) return again(known->second);
    log_.info("claim has other devices now", {{"claim", claim.shown()}});
    SLUICE_CHECK_OK(unprepare_one(claim));
  }
  return prepare_anew(claim, devices);
}

Result<PreparedDevice> Claims::take(const ClaimRef& claim, const Allotted& allotted) {
  PreparedDevice out;
  out.allotted = allotted;
  const std::string where =
      "device '" + allotted.device.substr(0, 200) + "' of pool '" + allotted.pool.substr(0, 200);
  if (allotted.pool == port_pool_of(settings_.node) && plain_port_number(allotted.device)) {
    return out;
  }
  if (allotted.pool != device_pool_of(settings_.node)) {
    return fail(Code::kPrecondition, where + "': this node has the pools '" +
                                         device_pool_of(settings_.node) + "' and '" +
                                         port_pool_of(settings_.node) + "'");
  }
  const auto id = id_of_device_name(allotted.device);
  if (!id) return fail(Code::kPrecondition, where + "': no name of a device of ours");
  for (const auto& [uid, other] : prepared_) {
    const bool has = std::any_of(other.devices.begin(), other.devices.end(),
                                 [&](const PreparedDevice& d) { return d.id == *id; });
    if (has && uid != claim.uid) {
      return fail(Code::kPrecondition, where + "': claim " + other.claim.shown() + " has it");
    }
  }
  auto access = source_.take(*id, claim.uid, claim.shown());
  if (!access) return fail(std::move(access).error().with("taking " + where + "'"));
  out.id = *id;
  out.nodes = std::move(access->nodes);
  out.info = std::move(access->info);
  return out;
}

Result<std::vector<Readied>> Claims::prepare_anew(const ClaimRef& claim,
                                                  const std::vector<Allotted>& devices) {
  PreparedClaim fresh{claim, {}};
  for (const auto& allotted : devices) {
    auto device = take(claim, allotted);
    if (!device) {
      give_back(fresh);
      return fail(std::move(device).error());
    }
    fresh.devices.push_back(*std::move(device));
  }
  if (auto put = store_.put(spec_set_of(claim.uid), spec_of(fresh)); !put) {
    give_back(fresh);
    return fail(std::move(put).error().with("writing the CDI file of claim " + claim.shown()));
  }
  prepared_[claim.uid] = fresh;
  if (auto saved = save(); !saved) {
    prepared_.erase(claim.uid);
    (void)store_.remove(spec_set_of(claim.uid));
    give_back(fresh);
    return fail(std::move(saved).error());
  }
  log_.info("claim prepared", {{"claim", claim.shown()}, {"devices", fresh.devices.size()}});
  return readied(fresh);
}

void Claims::give_back(const PreparedClaim& claim) {
  for (const auto& device : claim.devices) {
    if (!device.id.empty()) source_.give_back(device.id, claim.claim.uid);
  }
}

// Takes what the claim has once more: after a restart the source doesn't know of it, and after a
// reboot a device may have other nodes.
void Claims::refresh(PreparedClaim& known) {
  PreparedClaim fresh = known;
  bool later = false;
  for (auto& device : fresh.devices) {
    if (device.id.empty()) continue;
    auto access = source_.take(device.id, known.claim.uid, known.claim.shown());
    if (access) {
      device.nodes = std::move(access->nodes);
      device.info = std::move(access->info);
    } else if (access.error().retry == Retry::kLater) {
      later = true;
    } else {
      // Not asked again and again: health says so, and the next prepare() tries.
      log_.warn("device of a prepared claim can't be used",
                {{"claim", known.claim.shown()}, {"device", device.id}, {"error", access.error()}});
    }
  }
  if (later) {
    untaken_.insert(known.claim.uid);
  } else {
    untaken_.erase(known.claim.uid);
  }
  if (fresh == known) return;
  known = std::move(fresh);
  if (auto saved = save(); !saved) log_.warn("checkpoint", {{"error", saved.error()}});
}

Result<std::vector<Readied>> Claims::again(PreparedClaim& known) {
  refresh(known);
  auto put = store_.put(spec_set_of(known.claim.uid), spec_of(known));
  if (!put) {
    return fail(
        std::move(put).error().with("writing the CDI file of claim " + known.claim.shown()));
  }
  return readied(known);
}

void Claims::retake() {
  for (const auto& uid : std::set<std::string>(untaken_)) {
    const auto known = prepared_.find(uid);
    if (known == prepared_.end()) continue;
    if (auto done = again(known->second); !done) {
      log_.warn("claim not restored",
                {{"claim", known->second.claim.shown()}, {"error", done.error()}});
    }
  }
}

Status Claims::unprepare_one(const ClaimRef& claim) {
  const auto known = prepared_.find(claim.uid);
  if (known == prepared_.end()) return {};
  PreparedClaim old = std::move(known->second);
  prepared_.erase(known);
  if (auto saved = save(); !saved) {
    // Nothing has happened yet; the kubelet asks again.
    prepared_[claim.uid] = std::move(old);
    return fail(std::move(saved).error());
  }
  untaken_.erase(claim.uid);
  if (auto removed = store_.remove(spec_set_of(claim.uid)); !removed) {
    log_.warn("CDI file not removed", {{"claim", claim.shown()}, {"error", removed.error()}});
  }
  give_back(old);
  log_.info("claim unprepared", {{"claim", claim.shown()}});
  return {};
}

std::map<std::string, Status> Claims::unprepare(const std::vector<ClaimRef>& claims) {
  std::map<std::string, Status> out;
  for (const auto& claim : claims) {
    // By its UID alone; one that can't be a UID was never prepared.
    if (const auto pending = pending_.find(claim.uid); pending != pending_.end()) {
      ++pending->second.unprepared;
    }
    out.emplace(claim.uid, unprepare_one(claim));
  }
  return out;
}

std::map<std::string, pools::Use> Claims::uses() const {
  std::map<std::string, pools::Use> out;
  for (const auto& [uid, claim] : prepared_) {
    for (const auto& device : claim.devices) {
      if (device.id.empty()) continue;
      out[device.id] = {pools::Use::Front::kDra, "", "claim " + claim.claim.shown()};
    }
  }
  return out;
}

}  // namespace sluice::dra
