// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/kubelet/pod_resources.h"

#include "common/litegrpc/call.h"
#include "device-plugin/kubelet/messages.h"

namespace sluice::kubelet {
namespace {

constexpr const char* kList = "/v1.PodResourcesLister/List";

class ListQuery final : public PodResources::Query {
 public:
  ListQuery(os::EventLoop& loop, const std::string& socket, Duration deadline,
            PodResources::Done done) {
    auto parsed = [socket, done = std::move(done)](Result<std::string> answer) {
      auto pods = answer ? parse_pod_resources(*answer)
                         : Result<std::vector<PodDevices>>(fail(std::move(answer).error()));
      if (!pods) pods = fail(std::move(pods).error().with("asking " + socket + " for its pods"));
      done(std::move(pods));
    };
    // The request has no fields.
    call_ = litegrpc::Call::start(loop, socket, kList, "", deadline, std::move(parsed));
  }

 private:
  std::unique_ptr<litegrpc::Call> call_;
};

}  // namespace

std::unique_ptr<PodResources::Query> PodResources::list(Duration deadline, Done done) const {
  return std::make_unique<ListQuery>(loop_, socket_, deadline, std::move(done));
}

}  // namespace sluice::kubelet
