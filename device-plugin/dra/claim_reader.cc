// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/dra/claim_reader.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "device-plugin/dra/slice_sync.h"

namespace sluice::dra {
namespace {

constexpr std::size_t kMaxWaiting = 256;  // reads; the kubelet has a few at a time

class ThreadedReader final : public ClaimReader {
 public:
  ThreadedReader(os::EventLoop& loop, ClientFactory factory, Duration deadline)
      : loop_(loop),
        factory_(std::move(factory)),
        deadline_(deadline),
        thread_([this] { run(); }) {}
  ThreadedReader(const ThreadedReader&) = delete;
  ThreadedReader& operator=(const ThreadedReader&) = delete;
  ~ThreadedReader() override {
    *alive_ = false;
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
      if (client_) client_->cancel();
    }
    wake_.notify_all();
    thread_.join();
  }

  void read(std::vector<ClaimRef> claims, Done done) override {
    const auto full = [&] {
      const std::scoped_lock lock(mutex_);
      if (waiting_.size() >= kMaxWaiting) return true;
      // Counted from here: a request that waited behind others has less left.
      waiting_.push_back(
          {std::move(claims), std::move(done), std::chrono::steady_clock::now() + deadline_});
      return false;
    }();
    if (full) {
      done(std::vector<Result<std::string>>(
          claims.size(), fail(Code::kExhausted, "too many claims wait to be read")));
      return;
    }
    wake_.notify_all();
  }

 private:
  struct Job {
    std::vector<ClaimRef> claims;
    Done done;
    TimePoint end;
  };

  void run() {
    while (true) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
      if (stopping_) return;
      auto job = std::make_shared<Job>(std::move(waiting_.front()));
      waiting_.pop_front();
      lock.unlock();
      auto answers = std::make_shared<std::vector<Result<std::string>>>();
      for (const auto& claim : job->claims) answers->push_back(read_one(claim, job->end));
      // The loop's thread alone destroys us, so that the flag is good when it runs this.
      loop_.post([alive = alive_, job, answers] {
        if (*alive) job->done(std::move(*answers));
      });
    }
  }

  Result<std::string> read_one(const ClaimRef& claim, TimePoint end) {
    SLUICE_CHECK_OK(ensure_client());
    if (version_.empty()) {
      SLUICE_TRY(version_, served_version(*client_, end - std::chrono::steady_clock::now()));
    }
    auto claim_text = client_->get("/apis/resource.k8s.io/" + version_ + "/namespaces/" +
                                       kube::percent_encoded(claim.space) + "/resourceclaims/" +
                                       kube::percent_encoded(claim.name),
                                   end - std::chrono::steady_clock::now());
    if (!claim_text) {
      if (claim_text.error().code == Code::kNotFound) version_.clear();
      return fail(std::move(claim_text).error().with("reading claim " + claim.shown()));
    }
    return claim_text;
  }

  Status ensure_client() {
    if (client_) return {};
    auto made = factory_();
    if (!made) return fail(std::move(made).error().with("connecting to the API server"));
    const std::scoped_lock lock(mutex_);
    client_ = *std::move(made);
    if (stopping_) client_->cancel();
    return {};
  }

  os::EventLoop& loop_;
  const ClientFactory factory_;
  const Duration deadline_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // of the loop's thread
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> waiting_;
  bool stopping_ = false;
  std::unique_ptr<kube::Client> client_;
  std::string version_;  // of the thread alone
  std::thread thread_;
};

}  // namespace

std::unique_ptr<ClaimReader> make_claim_reader(os::EventLoop& loop, ClientFactory factory,
                                               Duration deadline) {
  return std::make_unique<ThreadedReader>(loop, std::move(factory), deadline);
}

}  // namespace sluice::dra
