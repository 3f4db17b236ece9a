// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/device-plugin/dra/world.h"

#include <chrono>
#include <thread>

#include <nlohmann/json.hpp>

#include "common/kube/errors.h"

namespace sluice::dra::test {

using nlohmann::json;
using sluice::test::ApiAnswer;

nic::Pf Hardware::make_pf() {
  nic::Pf pf;
  pf.address = *nic::PciAddress::parse("0000:07:00.0");
  pf.vendor = 0x15b3;
  pf.device = 0x101d;
  pf.netdev.emplace();
  pf.netdev->name = "p0";
  pf.netdev->speed_mbps = 100000;
  return pf;
}

Offered Hardware::vf(const std::string& address, std::uint32_t index) {
  auto& vf = vfs_.emplace_back();
  vf.address = *nic::PciAddress::parse(address);
  vf.vendor = 0x15b3;
  vf.device = 0x101e;
  vf.driver = "mlx5_core";
  vf.numa_node = 1;
  vf.pcie_root = "pci0000:00";
  for (const char* bridge : {"0000:00:01.0", "0000:05:00.0", "0000:06:00.0"}) {
    vf.pcie_path.push_back(*nic::PciAddress::parse(bridge));
  }
  Offered out;
  out.pool = "vf";
  out.candidate.kind = pools::Candidate::Kind::kVf;
  out.candidate.id = vf.address.to_string();
  out.candidate.function = &vf;
  out.candidate.pf = &pf_;
  out.candidate.index = index;
  return out;
}

Offered Hardware::sf(const std::string& name, std::uint32_t number) {
  auto& sf = sfs_.emplace_back();
  sf.name = name;
  sf.number = number;
  sf.driver = "mlx5_core.sf";
  Offered out;
  out.pool = "sf";
  out.candidate.kind = pools::Candidate::Kind::kSf;
  out.candidate.id = name;
  out.candidate.function = &pf_;
  out.candidate.sf = &sf;
  out.candidate.pf = &pf_;
  out.candidate.index = number;
  return out;
}

std::vector<Offered> vfs(Hardware& hardware, std::size_t count) {
  std::vector<Offered> out;
  for (std::size_t i = 0; i < count; ++i) {
    nic::PciAddress address;
    address.bus = static_cast<std::uint8_t>(8 + i / 256);
    address.device = static_cast<std::uint8_t>(i % 256 / 8);
    address.function = static_cast<std::uint8_t>(i % 8);
    out.push_back(hardware.vf(address.to_string(), static_cast<std::uint32_t>(i)));
  }
  return out;
}

Result<allocate::Access> FakeSource::take(const std::string& id, const std::string& claim_uid,
                                          const std::string& claim) {
  ++takes;
  if (not_yet) return fail(Error{Code::kUnavailable, {}, 0, "not yet", {}, Retry::kLater});
  if (unusable.contains(id)) return fail(Code::kPrecondition, id + " has no carrier");
  const auto [held, fresh] = holder.try_emplace(id, claim_uid);
  if (!fresh && held->second != claim_uid) {
    return fail(Code::kPrecondition, id + " is held, not for " + claim);
  }
  allocate::Access access;
  access.id = id;
  access.nodes = {{"/dev/vfio/" + group, "/dev/vfio/" + group, "rw"}};
  access.info = {{"generic", {{"deviceID", id}}}};
  return access;
}

void FakeSource::give_back(const std::string& id, const std::string& claim_uid) {
  const auto held = holder.find(id);
  if (held != holder.end() && held->second == claim_uid) holder.erase(held);
}

std::vector<Result<std::string>> FakeReader::answer(const std::vector<ClaimRef>& wanted) const {
  std::vector<Result<std::string>> out;
  for (const auto& claim : wanted) {
    const auto found = claims.find(claim.space + "/" + claim.name);
    if (away) {
      out.push_back(fail(*away));
    } else if (found == claims.end()) {
      out.push_back(fail(Code::kNotFound, "no such claim"));
    } else {
      out.push_back(found->second);
    }
  }
  return out;
}

void FakeReader::read(std::vector<ClaimRef> wanted, Done done) {
  if (hold) {
    waiting_.push_back({std::move(wanted), std::move(done)});
  } else {
    done(answer(wanted));
  }
}

void FakeReader::release() {
  hold = false;
  for (auto& waiting : std::exchange(waiting_, {})) waiting.done(answer(waiting.claims));
}

std::string claim_json(const ClaimRef& claim, const std::vector<Given>& given,
                       const std::string& config) {
  json results = json::array();
  for (const auto& g : given) {
    results.push_back(
        {{"request", g.request}, {"driver", g.driver}, {"pool", g.pool}, {"device", g.device}});
  }
  return json{
      {"metadata", {{"name", claim.name}, {"namespace", claim.space}, {"uid", claim.uid}}},
      {"status",
       {{"allocation", {{"devices", {{"results", results}, {"config", json::parse(config)}}}}}}}}
      .dump();
}

namespace {

constexpr const char* kSlices = "/apis/resource.k8s.io/v1/resourceslices";

class ApiClient final : public kube::Client {
 public:
  explicit ApiClient(FakeApi& api) : api_(api) {}

  Result<std::string> get(const std::string& path, Duration) override {
    return api_.call(false, [&] { return api_.store().get(path); });
  }
  Result<std::vector<std::string>> list(const std::string& path, const kube::ListOptions& options,
                                        Duration) override {
    auto body = api_.call(false, [&] {
      return api_.store().list(path, {{"fieldSelector", options.field_selector}});
    });
    if (!body) return fail(body.error());
    std::vector<std::string> out;
    const auto root = json::parse(*body);
    for (const auto& item : root.at("items")) out.push_back(item.dump());
    return out;
  }
  Result<std::string> create(const std::string& path, const std::string& body, Duration) override {
    return api_.call(true, [&] { return api_.store().create(path, body); });
  }
  Result<std::string> update(const std::string& path, const std::string& body, Duration) override {
    return api_.call(true, [&] { return api_.store().update(path, body); });
  }
  Status remove(const std::string& path, const std::string& uid, Duration) override {
    const json options = {{"preconditions", {{"uid", uid}}}};
    auto removed = api_.call(true, [&] { return api_.store().remove(path, options.dump()); });
    if (removed || removed.error().code == Code::kNotFound) return {};
    return fail(removed.error());
  }
  void cancel() override {}

 private:
  FakeApi& api_;
};

}  // namespace

FakeApi::FakeApi() {
  put("/apis/resource.k8s.io",
      R"({"kind":"APIGroup","versions":[{"version":"v1beta1"},{"version":"v1"}]})");
  put("/api/v1/nodes/n1", R"({"metadata":{"name":"n1","uid":"node-uid"}})");
}

ClientFactory FakeApi::factory() {
  return [this]() -> Result<std::unique_ptr<kube::Client>> {
    return std::unique_ptr<kube::Client>(std::make_unique<ApiClient>(*this));
  };
}

Result<std::string> FakeApi::call(bool write, const std::function<ApiAnswer()>& answer) {
  std::function<void()> hook;
  if (write) {
    const std::scoped_lock lock(mutex_);
    hook = before_write_;
  }
  if (hook) hook();
  const std::scoped_lock lock(mutex_);
  ++calls_;
  if (failure_) return fail(*failure_);
  if (write) ++writes_;
  const auto got = answer();
  if (got.status < 300) return got.body;
  return fail(kube::answer_error(got.status, got.body, "fake"));
}

void FakeApi::put(const std::string& path, const std::string& text) {
  const std::scoped_lock lock(mutex_);
  store_.put(path, text);
}
void FakeApi::erase(const std::string& path) {
  const std::scoped_lock lock(mutex_);
  store_.erase(path);
}
std::map<std::string, std::string> FakeApi::slices() const {
  const std::scoped_lock lock(mutex_);
  std::map<std::string, std::string> out;
  const std::string prefix = std::string(kSlices) + "/";
  for (const auto& [path, text] : store_.objects()) {
    if (path.starts_with(prefix)) out[path.substr(prefix.size())] = text;
  }
  return out;
}
void FakeApi::fail_with(std::optional<Error> error) {
  const std::scoped_lock lock(mutex_);
  failure_ = std::move(error);
}
std::size_t FakeApi::writes() const {
  const std::scoped_lock lock(mutex_);
  return writes_;
}
std::size_t FakeApi::calls() const {
  const std::scoped_lock lock(mutex_);
  return calls_;
}
void FakeApi::before_write(std::function<void()> hook) {
  const std::scoped_lock lock(mutex_);
  before_write_ = std::move(hook);
}
bool FakeApi::wait(const std::function<bool()>& until) const {
  for (int i = 0; i < 10000; ++i) {
    if (until()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

}  // namespace sluice::dra::test
