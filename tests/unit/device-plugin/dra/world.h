// SPDX-License-Identifier: Apache-2.0
// Fakes with state for the tests of device-plugin/dra: devices, who has them, claims, an API
// server.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/kube/client.h"
#include "device-plugin/dra/claim_reader.h"
#include "device-plugin/dra/front.h"
#include "tests/support/fake_api_server/object_store.h"

namespace sluice::dra::test {

// PFs with VFs that Offered can point to.
class Hardware {
 public:
  Offered vf(const std::string& address, std::uint32_t index = 0);
  Offered sf(const std::string& name, std::uint32_t number);
  nic::Pf& pf() { return pf_; }

 private:
  nic::Pf pf_ = make_pf();
  static nic::Pf make_pf();
  std::deque<nic::Vf> vfs_;
  std::deque<nic::Sf> sfs_;
};

// `count` VFs: 0000:08:00.0 and on.
std::vector<Offered> vfs(Hardware& hardware, std::size_t count);

class FakeSource final : public DeviceSource {
 public:
  std::vector<Offered> offered() const override { return list; }
  std::uint32_t plain_ports() const override { return ports; }
  Result<allocate::Access> take(const std::string& id, const std::string& claim_uid,
                                const std::string& claim) override;
  void give_back(const std::string& id, const std::string& claim_uid) override;

  std::vector<Offered> list;
  std::uint32_t ports = 0;
  std::map<std::string, std::string> holder;  // id -> claim UID
  std::set<std::string> unusable;
  bool not_yet = false;     // doesn't know enough to give anything
  std::string group = "7";  // of the vfio node that everybody gets
  std::size_t takes = 0;
};

class FakeReader final : public ClaimReader {
 public:
  void read(std::vector<ClaimRef> claims, Done done) override;
  void release();  // answers what waits

  std::map<std::string, std::string> claims;  // "shop/net" -> JSON
  std::optional<Error> away;
  bool hold = false;

 private:
  std::vector<Result<std::string>> answer(const std::vector<ClaimRef>& claims) const;
  struct Waiting {
    std::vector<ClaimRef> claims;
    Done done;
  };
  std::vector<Waiting> waiting_;
};

struct Given {
  std::string request, pool, device, driver = "sluice.dev";
};
// A claim as the API server has it.
std::string claim_json(const ClaimRef& claim, const std::vector<Given>& given,
                       const std::string& config = "[]");

// An API server without a network: every client of it sees the same objects.
class FakeApi {
 public:
  FakeApi();
  ClientFactory factory();

  // Any thread.
  void put(const std::string& path, const std::string& json);
  void erase(const std::string& path);
  std::map<std::string, std::string> slices() const;  // by name
  void fail_with(std::optional<Error> error);
  std::size_t writes() const;
  std::size_t calls() const;
  bool wait(const std::function<bool()>& until) const;  // at most ten seconds
  // Called before each write, unlocked: what others do in between.
  void before_write(std::function<void()> hook);

  Result<std::string> call(bool write, const std::function<sluice::test::ApiAnswer()>& answer);
  sluice::test::ObjectStore& store() { return store_; }

 private:
  mutable std::mutex mutex_;
  sluice::test::ObjectStore store_;
  std::optional<Error> failure_;
  std::function<void()> before_write_;
  std::size_t writes_ = 0, calls_ = 0;
};

}  // namespace sluice::dra::test
