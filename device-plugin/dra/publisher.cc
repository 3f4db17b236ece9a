// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/dra/publisher.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "device-plugin/dra/slice_sync.h"

namespace sluice::dra {
namespace {

TimePoint now() { return std::chrono::steady_clock::now(); }

class ThreadedPublisher final : public Publisher {
 public:
  ThreadedPublisher(PublisherSettings settings, ClientFactory factory, std::unique_ptr<Rng> rng,
                    Logger log)
      : settings_(std::move(settings)),
        factory_(std::move(factory)),
        rng_(std::move(rng)),
        log_(std::move(log)),
        thread_([this] { run(); }) {}
  ThreadedPublisher(const ThreadedPublisher&) = delete;
  ThreadedPublisher& operator=(const ThreadedPublisher&) = delete;
  ~ThreadedPublisher() override {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
      if (client_) client_->cancel();
    }
    wake_.notify_all();
    thread_.join();
  }

  void want(std::vector<PoolContent> pools) override {
    {
      const std::scoped_lock lock(mutex_);
      if (wanted_ && *wanted_ == pools) return;
      wanted_ = std::move(pools);
      due_ = true;
    }
    wake_.notify_all();
  }

  void poke() override {
    {
      const std::scoped_lock lock(mutex_);
      due_ = true;
      watchful_until_ = now() + settings_.watchful;
    }
    wake_.notify_all();
  }

  State state() const override {
    const std::scoped_lock lock(mutex_);
    return state_;
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    TimePoint next = now();
    Duration retry = settings_.first_retry;
    while (true) {
      // What changes while rounds fail waits for the next try: a server in trouble is left alone.
      const auto ready = [&] {
        return stopping_ || (wanted_ && due_ && state_.last_error.empty());
      };
      if (wanted_) {
        wake_.wait_until(lock, next, ready);
      } else {
        wake_.wait(lock, ready);
      }
      if (stopping_) return;
      due_ = false;
      const auto pools = *wanted_;
      lock.unlock();
      const auto report = round(pools);
      lock.lock();
      if (stopping_) return;
      note(report);
      if (report) {
        retry = settings_.first_retry;
        next = now() + (now() < watchful_until_ ? settings_.watchful_resync : settings_.resync);
      } else {
        next = now() + jittered(retry);
        retry = std::min(retry * 2, settings_.last_retry);
      }
    }
  }

  Result<SliceSync::Report> round(const std::vector<PoolContent>& pools) {
    SLUICE_CHECK_OK(ensure_client());
    auto report = sync_->run(pools);
    // Somebody else wrote in between: what there is now is read at once, not after a pause.
    if (!report && report.error().code == Code::kPrecondition) report = sync_->run(pools);
    return report;
  }

  Status ensure_client() {
    if (sync_) return {};
    auto made = factory_();
    if (!made) return fail(std::move(made).error().with("connecting to the API server"));
    const std::scoped_lock lock(mutex_);
    client_ = *std::move(made);
    if (stopping_) client_->cancel();
    sync_.emplace(*client_, settings_.node);
    return {};
  }

  void note(const Result<SliceSync::Report>& report) {
    if (report) {
      if (!state_.last_error.empty()) log_.info("API server answers again");
      if (report->writes > 0) {
        log_.info("published", {{"slices", report->slices}, {"writes", report->writes}});
      }
      state_.slices = report->slices;
      state_.writes += report->writes;
      ++state_.rounds;
      state_.last_error.clear();
      return;
    }
    const std::string text = report.error().to_string();
    if (text != state_.last_error) log_.warn("slices not published", {{"error", text}});
    state_.last_error = text;
  }

  // Three quarters to five quarters of it.
  Duration jittered(Duration delay) {
    const auto half = static_cast<std::uint64_t>(delay.count()) / 2;
    return delay * 3 / 4 +
           Duration(half == 0 ? 0 : static_cast<Duration::rep>(rng_->next() % half));
  }

  const PublisherSettings settings_;
  const ClientFactory factory_;
  const std::unique_ptr<Rng> rng_;
  const Logger log_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::optional<std::vector<PoolContent>> wanted_;
  bool due_ = false, stopping_ = false;
  TimePoint watchful_until_{};
  State state_;
  std::unique_ptr<kube::Client> client_;
  std::optional<SliceSync> sync_;  // of the thread alone
  std::thread thread_;             // last: it uses all of the above
};

}  // namespace

std::unique_ptr<Publisher> Publisher::start(PublisherSettings settings, ClientFactory factory,
                                            std::unique_ptr<Rng> rng, Logger log) {
  return std::make_unique<ThreadedPublisher>(std::move(settings), std::move(factory),
                                             std::move(rng), std::move(log));
}

}  // namespace sluice::dra
