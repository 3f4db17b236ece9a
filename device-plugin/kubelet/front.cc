// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/kubelet/front.h"

#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <set>

#include "common/os/directory_watch.h"
#include "device-plugin/kubelet/pool_keeper.h"

namespace sluice::kubelet {
namespace {

bool is_directory(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

// Looks when something in a directory changes, also in one that comes later or is made again.
class Watched {
 public:
  void keep(os::EventLoop& loop, const std::string& directory, const std::function<void()>& look) {
    if (watch_ && watch_->alive() && directory_ == directory) return;
    watch_.reset();
    directory_ = directory;
    auto watch = os::DirectoryWatch::open(loop, directory, look);
    if (watch) watch_ = std::move(*watch);
  }

 private:
  std::string directory_;
  std::unique_ptr<os::DirectoryWatch> watch_;
};

class FrontImpl final : public Front {
 public:
  FrontImpl(os::EventLoop& loop, Settings settings, Allocator& allocator, Observer& observer,
            Logger log)
      : loop_(loop),
        settings_(std::move(settings)),
        allocator_(allocator),
        observer_(observer),
        log_(std::move(log)) {}

  ~FrontImpl() override {
    if (started_) loop_.cancel(timer_);
  }

  void publish(std::vector<ServedPool> pools) override;
  std::vector<PoolState> states() const override;

 private:
  void start();
  void soon();
  void look();
  void periodic_look();
  void update_place();
  void update_watches();

  os::EventLoop& loop_;
  Settings settings_;
  Allocator& allocator_;
  Observer& observer_;
  Logger log_;
  Place place_;
  Watched root_watch_, place_watch_;
  std::map<std::string, std::unique_ptr<PoolKeeper>> keepers_;  // by resource
  std::vector<std::string> order_;
  std::vector<std::unique_ptr<PoolKeeper>> removed_;
  os::EventLoop::TimerId timer_ = 0;
  bool started_ = false;
  bool soon_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// May be called from within an answer of the Allocator, and so from within a server's method:
// what ends or begins servers happens soon, not here.
void FrontImpl::publish(std::vector<ServedPool> pools) {
  std::set<std::string> wanted;
  order_.clear();
  for (auto& pool : pools) {
    if (!wanted.insert(pool.resource).second) {
      log_.error("two pools of one name, the second isn't served", {{"resource", pool.resource}});
      continue;
    }
    order_.push_back(pool.resource);
    auto& keeper = keepers_[pool.resource];
    if (!keeper) {
      keeper = std::make_unique<PoolKeeper>(loop_, pool.resource, allocator_, observer_, log_);
    }
    keeper->publish(pool.devices);
  }
  for (auto entry = keepers_.begin(); entry != keepers_.end();) {
    if (wanted.contains(entry->first)) {
      ++entry;
      continue;
    }
    log_.info("no longer served", {{"resource", entry->first}});
    removed_.push_back(std::move(entry->second));
    entry = keepers_.erase(entry);
  }
  if (started_) return soon();
  start();
}

std::vector<Front::PoolState> FrontImpl::states() const {
  std::vector<PoolState> out;
  for (const auto& resource : order_) out.push_back(keepers_.at(resource)->state());
  return out;
}

void FrontImpl::start() {
  started_ = true;
  timer_ = loop_.every(settings_.period, [this] { periodic_look(); });
  look();
}

void FrontImpl::soon() {
  if (soon_) return;
  soon_ = true;
  loop_.post([this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    soon_ = false;
    look();
  });
}

void FrontImpl::look() {
  removed_.clear();
  update_place();
  update_watches();
  for (const auto& resource : order_) keepers_.at(resource)->look(place_);
}

void FrontImpl::periodic_look() {
  removed_.clear();
  update_place();
  update_watches();
  for (const auto& resource : order_) keepers_.at(resource)->periodic_look(place_);
}

void FrontImpl::update_place() {
  const auto registry = settings_.kubelet_dir + "/plugins_registry";
  bool watcher = settings_.mode == Mode::kWatcher;
  if (settings_.mode == Mode::kAuto) {
    // A kubelet that watches us stays as it found us, whatever becomes of the directory.
    const bool watched = std::any_of(keepers_.begin(), keepers_.end(),
                                     [](const auto& entry) { return entry.second->streams() > 0; });
    watcher = watched ? place_.watcher : is_directory(registry);
  }
  Place place{watcher, watcher ? registry : settings_.kubelet_dir + "/device-plugins"};
  if (place == place_) return;
  log_.info("sockets for the kubelet", {{"directory", place.directory},
                                        {"found_by", watcher ? "plugin watcher" : "register"}});
  place_ = std::move(place);
}

// The kubelet's root too: that is where the directory of the sockets comes and goes.
void FrontImpl::update_watches() {
  root_watch_.keep(loop_, settings_.kubelet_dir, [this] { look(); });
  place_watch_.keep(loop_, place_.directory, [this] { look(); });
}

}  // namespace

std::unique_ptr<Front> Front::make(os::EventLoop& loop, Settings settings, Allocator& allocator,
                                   Observer& observer, Logger log) {
  return std::make_unique<FrontImpl>(loop, std::move(settings), allocator, observer,
                                     std::move(log));
}

}  // namespace sluice::kubelet
