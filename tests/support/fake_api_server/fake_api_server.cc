// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fake_api_server/fake_api_server.h"

#include <openssl/x509.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

#include <httplib.h>

namespace sluice::test {
namespace {

std::string subject_of(const httplib::Request& request) {
  if (request.ssl == nullptr) return {};
  X509* certificate = SSL_get_peer_certificate(request.ssl);
  if (certificate == nullptr) return {};
  char name[256] = "";
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof name);
  X509_free(certificate);
  return name;
}

ApiRequest convert(const httplib::Request& in) {
  ApiRequest out;
  out.method = in.method;
  out.path = in.path;
  out.body = in.body;
  for (const auto& [key, value] : in.params) out.query[key] = value;
  const std::string authorization = in.get_header_value("Authorization");
  if (authorization.starts_with("Bearer ")) out.token = authorization.substr(7);
  out.client_subject = subject_of(in);
  out.peer = in.remote_addr + ":" + std::to_string(in.remote_port);
  return out;
}

class Server final : public FakeApiServer {
 public:
  explicit Server(const ApiServerOptions& options)
      : server_(options.certificate.c_str(), options.key.c_str(),
                options.client_ca.empty() ? nullptr : options.client_ca.c_str()) {
    const auto handler = [this](const httplib::Request& in, httplib::Response& out) {
      serve(convert(in), out);
    };
    server_.Get(".*", handler);
    server_.Post(".*", handler);
    server_.Put(".*", handler);
    server_.Delete(".*", handler);
    server_.set_keep_alive_timeout(1);
    port_ = server_.bind_to_any_port("127.0.0.1");
    if (port_ < 0) {
      std::fprintf(stderr, "fake API server: no port\n");
      std::abort();
    }
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server() override {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    server_.stop();
    thread_.join();
  }

  std::string url() const override { return "https://127.0.0.1:" + std::to_string(port_); }

  void set_hook(Hook hook) override {
    const std::scoped_lock lock(mutex_);
    hook_ = std::move(hook);
  }

  void hang(bool on) override {
    {
      const std::scoped_lock lock(mutex_);
      hang_ = on;
    }
    changed_.notify_all();
  }

  void wait_for_hanging(std::size_t requests) override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return hanging_ >= requests; });
  }

  void put(const std::string& path, const std::string& json) override {
    const std::scoped_lock lock(mutex_);
    store_.put(path, json);
  }
  void erase(const std::string& path) override {
    const std::scoped_lock lock(mutex_);
    store_.erase(path);
  }
  std::map<std::string, std::string> objects() const override {
    const std::scoped_lock lock(mutex_);
    return store_.objects();
  }
  std::vector<ApiRequest> requests() const override {
    const std::scoped_lock lock(mutex_);
    return requests_;
  }
  bool wait_for_requests(std::size_t count) const override {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10),
                             [&] { return requests_.size() >= count; });
  }

 private:
  void serve(const ApiRequest& request, httplib::Response& out) {
    Hook hook;
    {
      std::unique_lock lock(mutex_);
      if (hang_) {
        ++hanging_;
        changed_.notify_all();
        changed_.wait(lock, [&] { return !hang_ || stopping_; });
        --hanging_;
      }
      hook = hook_;
    }
    auto answer = hook ? hook(request) : std::nullopt;
    const std::scoped_lock lock(mutex_);
    if (!answer) answer = from_store(request);
    requests_.push_back(request);
    out.status = answer->status;
    out.set_content(answer->body, "application/json");
    changed_.notify_all();
  }

  ApiAnswer from_store(const ApiRequest& request) {
    if (request.method == "POST") return store_.create(request.path, request.body);
    if (request.method == "PUT") return store_.update(request.path, request.body);
    if (request.method == "DELETE") return store_.remove(request.path, request.body);
    if (request.query.contains("limit")) return store_.list(request.path, request.query);
    return store_.get(request.path);
  }

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  ObjectStore store_;
  std::vector<ApiRequest> requests_;
  Hook hook_;
  bool hang_ = false, stopping_ = false;
  std::size_t hanging_ = 0;
  httplib::SSLServer server_;
  int port_ = -1;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<FakeApiServer> FakeApiServer::start(const ApiServerOptions& options) {
  return std::make_unique<Server>(options);
}

}  // namespace sluice::test
