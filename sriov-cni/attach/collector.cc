// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/collector.h"

#include <algorithm>
#include <string>
#include <vector>

#include "sriov-cni/attach/addressing.h"
#include "sriov-cni/attach/reclaim.h"
#include "sriov-cni/ports/pod_life.h"

namespace sluice::cni {
namespace {

// Why an attachment is to go; "": it stays.
std::string why_stale(const NetConfig& config, const Record& record) {
  // Records of older versions don't say their network.
  if (!record.network.empty() && record.network != config.name) return "";
  if (config.valid_attachments && !record.network.empty()) {
    const auto& valid = *config.valid_attachments;
    const bool listed = std::find(valid.begin(), valid.end(), first_of(record)) != valid.end();
    return listed ? "" : "not among the runtime's valid attachments";
  }
  return pod_life(record) == PodLife::kDead ? "its namespace is gone" : "";
}

Status tell_delegate(Context& context, const Journal& journal) {
  const auto& config = context.config;
  if (config.ipam != IpamKind::kDelegate) return {};
  SLUICE_TRY(const auto contents, journal.load_all());
  if (!config.valid_attachments && !(contents.damaged.empty() && contents.newer.empty())) {
    return fail(Code::kPrecondition,
                "the IPAM plugin's GC was not called: there are records that can't be read, and "
                "the runtime gave no list");
  }
  auto valid = config.valid_attachments.value_or(std::vector<AttachmentKey>{});
  for (const auto& record : contents.records) {
    if (record.network != config.name) continue;
    const bool listed = std::find(valid.begin(), valid.end(), record.key) != valid.end();
    if (!listed) valid.push_back(record.key);
  }
  SLUICE_TRY(const auto ipam, make_ipam(ipam_source(context, nullptr, nullptr), kIpamDeadline));
  return ipam->gc(valid);
}

}  // namespace

Status collect(Context& context) {
  SLUICE_TRY(const auto journal, Journal::open(context.config.state_dir));
  Reclaimer reclaimer(context, journal, false);
  reclaimer.attachments([&](const Record& record) { return why_stale(context.config, record); });
  reclaimer.temporary_files();
  reclaimer.addresses();
  std::string failures;
  for (const auto& finding : reclaimer.findings()) {
    context.log.info("stale", {{"kind", finding.kind},
                               {"subject", finding.subject},
                               {"what", finding.what},
                               {"error", finding.error}});
    if (finding.error.empty()) {
      ++context.reclaimed;
    } else {
      failures += (failures.empty() ? "" : "; ") + finding.subject + ": " + finding.error;
    }
  }
  auto told = tell_delegate(context, journal);
  if (failures.empty()) return told;
  if (!told) failures += "; the IPAM plugin's GC: " + told.error().to_string();
  return fail(Code::kPrecondition, "not everything could be taken back: " + failures);
}

}  // namespace sluice::cni
