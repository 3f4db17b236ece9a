// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/kubelet/pool_service.h"

#include <utility>

namespace sluice::kubelet {
namespace {

std::string joined(const Ids& ids) {
  std::string out;
  for (const auto& id : ids) out += (out.empty() ? "" : ",") + id;
  return shown(out);
}

}  // namespace

class PoolService::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(std::string resource, Allocator& allocator, Observer& observer, const Logger& log,
       Events events)
      : resource_(std::move(resource)),
        allocator_(allocator),
        observer_(observer),
        log_(log),
        events_(std::move(events)),
        feed_(std::make_shared<ListFeed>(resource_, log, [this] { events_.streams_ended(); })) {}

  void add_device_plugin(litegrpc::Methods& methods);
  void add_watcher(litegrpc::Methods& methods);
  ListFeed& feed() { return *feed_; }

 private:
  using Reply = litegrpc::Reply;
  struct Call {
    const char* method;
    TimePoint start;
    Reply reply;
  };
  struct Allocation {
    Call call;
    std::vector<Ids> containers;
    std::vector<allocate::Grant> grants;
  };
  struct Choice {
    Call call;
    std::vector<Preference> containers;
    std::vector<Ids> chosen;
  };

  using Handler = void (Core::*)(std::string_view request, Call call);
  void add(litegrpc::Methods& methods, const char* path, const char* method, Handler handler);
  void finish(const Call& call, Result<std::string> answer);

  void options(std::string_view request, Call call);
  void allocate(std::string_view request, Call call);
  void allocate_next(const std::shared_ptr<Allocation>& allocation);
  void prefer(std::string_view request, Call call);
  void prefer_next(const std::shared_ptr<Choice>& choice);
  void pre_start(std::string_view request, Call call);
  void info(std::string_view request, Call call);
  void notify(std::string_view request, Call call);

  std::string resource_;
  Allocator& allocator_;
  Observer& observer_;
  Logger log_;
  Events events_;
  SteadyClock clock_;
  std::shared_ptr<ListFeed> feed_;
};

void PoolService::Core::add(litegrpc::Methods& methods, const char* path, const char* method,
                            Handler handler) {
  methods.unary[path] = [self = weak_from_this(), method, handler](std::string_view request,
                                                                   Reply reply) {
    if (const auto core = self.lock()) {
      (*core.*handler)(request, {method, core->clock_.now(), std::move(reply)});
    }
  };
}

void PoolService::Core::add_device_plugin(litegrpc::Methods& methods) {
  add(methods, "/v1beta1.DevicePlugin/GetDevicePluginOptions", "GetDevicePluginOptions",
      &Core::options);
  add(methods, "/v1beta1.DevicePlugin/Allocate", "Allocate", &Core::allocate);
  add(methods, "/v1beta1.DevicePlugin/GetPreferredAllocation", "GetPreferredAllocation",
      &Core::prefer);
  add(methods, "/v1beta1.DevicePlugin/PreStartContainer", "PreStartContainer", &Core::pre_start);
  methods.streaming["/v1beta1.DevicePlugin/ListAndWatch"] =
      [self = weak_from_this()](std::string_view, std::shared_ptr<litegrpc::ServerStream> stream) {
        const auto core = self.lock();
        if (!core) return;
        const auto start = core->clock_.now();
        const bool taken = core->feed_->open(std::move(stream));
        core->observer_.called(core->resource_, "ListAndWatch",
                               taken ? "ok" : to_string(Code::kExhausted),
                               core->clock_.now() - start);
      };
}

void PoolService::Core::add_watcher(litegrpc::Methods& methods) {
  add(methods, "/pluginregistration.Registration/GetInfo", "GetInfo", &Core::info);
  add(methods, "/pluginregistration.Registration/NotifyRegistrationStatus",
      "NotifyRegistrationStatus", &Core::notify);
}

void PoolService::Core::finish(const Call& call, Result<std::string> answer) {
  if (answer && answer->size() > litegrpc::kMaxMessageBytes) {
    answer = fail(Code::kExhausted, std::string(call.method) + "'s answer has " +
                                        std::to_string(answer->size()) + " bytes; allowed are " +
                                        std::to_string(litegrpc::kMaxMessageBytes));
  }
  const std::string_view code = answer ? "ok" : to_string(answer.error().code);
  if (!answer) {
    log_.warn("refused",
              {{"resource", resource_}, {"method", call.method}, {"error", answer.error()}});
  }
  call.reply(std::move(answer));
  observer_.called(resource_, call.method, code, clock_.now() - call.start);
}

void PoolService::Core::options(std::string_view, Call call) { finish(call, options_message()); }

void PoolService::Core::pre_start(std::string_view, Call call) { finish(call, std::string()); }

void PoolService::Core::allocate(std::string_view request, Call call) {
  auto containers = parse_allocate(request);
  if (!containers) return finish(call, fail(std::move(containers).error()));
  auto allocation = std::make_shared<Allocation>();
  allocation->call = std::move(call);
  allocation->containers = std::move(*containers);
  allocate_next(allocation);
}

// One container after the other: the first refusal ends it, and nothing further is given.
void PoolService::Core::allocate_next(const std::shared_ptr<Allocation>& allocation) {
  const std::size_t index = allocation->grants.size();
  if (index == allocation->containers.size()) {
    return finish(allocation->call, allocate_answer(allocation->grants));
  }
  const Ids& ids = allocation->containers[index];
  if (ids.empty()) {
    allocation->grants.emplace_back();
    return allocate_next(allocation);
  }
  allocator_.allocate(
      resource_, ids, [self = weak_from_this(), allocation, index](Result<allocate::Grant> grant) {
        const auto core = self.lock();
        if (!core || allocation->grants.size() != index) return;
        if (!grant) return core->finish(allocation->call, fail(std::move(grant).error()));
        core->log_.debug("allocated", {{"resource", core->resource_},
                                       {"devices", joined(allocation->containers[index])}});
        allocation->grants.push_back(std::move(*grant));
        core->allocate_next(allocation);
      });
}

void PoolService::Core::prefer(std::string_view request, Call call) {
  auto containers = parse_preferences(request);
  if (!containers) {
    log_.warn("no preference", {{"resource", resource_}, {"error", containers.error()}});
    return finish(call, preferences_answer({}));
  }
  auto choice = std::make_shared<Choice>();
  choice->call = std::move(call);
  choice->containers = std::move(*containers);
  prefer_next(choice);
}

void PoolService::Core::prefer_next(const std::shared_ptr<Choice>& choice) {
  const std::size_t index = choice->chosen.size();
  if (index == choice->containers.size()) {
    return finish(choice->call, preferences_answer(choice->chosen));
  }
  const auto& wish = choice->containers[index];
  allocator_.prefer(resource_, wish.available, wish.must_include, wish.size,
                    [self = weak_from_this(), choice, index](Ids chosen) {
                      const auto core = self.lock();
                      if (!core || choice->chosen.size() != index) return;
                      choice->chosen.push_back(std::move(chosen));
                      core->prefer_next(choice);
                    });
}

void PoolService::Core::info(std::string_view, Call call) {
  finish(call, plugin_info(resource_));
  events_.contacted();
}

void PoolService::Core::notify(std::string_view request, Call call) {
  auto status = parse_registration_status(request);
  if (!status) return finish(call, fail(std::move(status).error()));
  // The message is understood either way; what is counted is whether we were taken.
  call.reply(std::string());
  observer_.called(resource_, call.method,
                   status->registered ? "ok" : to_string(Code::kPrecondition),
                   clock_.now() - call.start);
  events_.notified(*status);
}

PoolService::PoolService(std::string resource, Allocator& allocator, Observer& observer, Logger log,
                         Events events)
    : core_(std::make_shared<Core>(std::move(resource), allocator, observer, log,
                                   std::move(events))) {}

PoolService::~PoolService() { drop_streams(); }

litegrpc::Methods PoolService::methods(bool watcher) const {
  litegrpc::Methods out;
  core_->add_device_plugin(out);
  if (watcher) core_->add_watcher(out);
  return out;
}

void PoolService::publish(const std::vector<pools::Device>& devices) {
  core_->feed().publish(devices);
}
std::size_t PoolService::streams() const { return core_->feed().streams(); }
void PoolService::drop_streams() { core_->feed().drop(); }

}  // namespace sluice::kubelet
