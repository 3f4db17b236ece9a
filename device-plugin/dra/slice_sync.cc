// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/dra/slice_sync.h"

#include <algorithm>

#include "device-plugin/dra/slice_json.h"

namespace sluice::dra {
namespace {

constexpr Duration kDeadline = std::chrono::seconds(15);  // of one call

}  // namespace

Result<std::string> served_version(kube::Client& client, Duration deadline) {
  SLUICE_TRY(const auto group, client.get("/apis/resource.k8s.io", deadline));
  return best_version(group);
}

std::string SliceSync::collection() const {
  return "/apis/resource.k8s.io/" + version_ + "/resourceslices";
}

Result<std::vector<StoredSlice>> SliceSync::stored() {
  kube::ListOptions options;
  options.field_selector = std::string("spec.driver=") + kDriver + ",spec.nodeName=" + node_;
  auto items = client_.list(collection(), options, kDeadline);
  if (!items) {
    // Upgraded or downgraded: asked again next time.
    if (items.error().code == Code::kNotFound) version_.clear();
    return fail(std::move(items).error().with("listing ResourceSlices"));
  }
  std::vector<StoredSlice> out;
  for (const auto& item : *items) {
    SLUICE_TRY(auto slice, parse_slice(item));
    // Another node's is none of our business, whatever the server sends.
    if (slice.slice.node == node_) out.push_back(std::move(slice));
  }
  return out;
}

Status SliceSync::create(const Slice& slice) {
  auto made = client_.create(collection(), render(slice, version_, ""), kDeadline);
  if (!made) return fail(std::move(made).error().with("creating ResourceSlice " + slice.name));
  return {};
}

Result<SliceSync::Report> SliceSync::apply(const Plan& plan, std::size_t stored) {
  const auto remove = [&](const Plan::Removal& removal) -> Status {
    auto removed = client_.remove(collection() + "/" + kube::percent_encoded(removal.name),
                                  removal.uid, kDeadline);
    if (removed) return {};
    return fail(std::move(removed).error().with("removing ResourceSlice " + removal.name));
  };
  const auto in_the_way = [&](const Plan::Removal& removal) {
    return std::any_of(plan.creates.begin(), plan.creates.end(),
                       [&](const Slice& slice) { return slice.name == removal.name; });
  };
  for (const auto& removal : plan.removals) {
    if (in_the_way(removal)) SLUICE_CHECK_OK(remove(removal));
  }
  for (const auto& update : plan.updates) {
    const std::string path = collection() + "/" + kube::percent_encoded(update.slice.name);
    auto updated =
        client_.update(path, render(update.slice, version_, update.resource_version), kDeadline);
    if (!updated) {
      return fail(std::move(updated).error().with("updating ResourceSlice " + update.slice.name));
    }
  }
  for (const auto& slice : plan.creates) SLUICE_CHECK_OK(create(slice));
  for (const auto& removal : plan.removals) {
    if (!in_the_way(removal)) SLUICE_CHECK_OK(remove(removal));
  }
  return Report{stored + plan.creates.size() - plan.removals.size(), plan.writes()};
}

Result<SliceSync::Report> SliceSync::run(const std::vector<PoolContent>& wanted) {
  if (version_.empty()) {
    SLUICE_TRY(version_, served_version(client_, kDeadline));
  }
  // The node's UID each time: a node that was made anew is another owner.
  auto node = client_.get("/api/v1/nodes/" + kube::percent_encoded(node_), kDeadline);
  if (!node) return fail(std::move(node).error().with("reading node " + node_));
  SLUICE_TRY(const auto uid, parse_uid(*node));
  SLUICE_TRY(const auto have, stored());
  return apply(plan(wanted, node_, uid, have), have.size());
}

}  // namespace sluice::dra
