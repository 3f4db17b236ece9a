// SPDX-License-Identifier: Apache-2.0
#include "common/kube/http.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <ctime>

#include <curl/curl.h>

namespace sluice::kube {
namespace {

// OpenSSL writes to sockets by write(2), so a peer that is gone raises SIGPIPE, which would end the
// process. It is kept from this thread meanwhile, and taken back if it came.
class NoSigpipe {
 public:
  NoSigpipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;
  ~NoSigpipe() {
    const timespec none{};
    if (!was_pending_) sigtimedwait(&pipe_, nullptr, &none);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t pipe_{}, before_{};
  bool was_pending_ = false;
};

struct HeaderList {
  curl_slist* head = nullptr;
  HeaderList() = default;
  HeaderList(const HeaderList&) = delete;
  HeaderList& operator=(const HeaderList&) = delete;
  ~HeaderList() { curl_slist_free_all(head); }
  void add(const std::string& line) {
    if (auto* grown = curl_slist_append(head, line.c_str())) head = grown;
  }
};

struct Sink {
  std::string body;
  std::size_t limit = 0;
  bool too_large = false;
};

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user) {
  auto& sink = *static_cast<Sink*>(user);
  const std::size_t bytes = size * count;
  if (bytes > sink.limit - sink.body.size()) {
    sink.too_large = true;
    return 0;  // ends the transfer
  }
  sink.body.append(data, bytes);
  return bytes;
}

Error curl_error(CURLcode code, const char* detail, const std::string& url) {
  Error error{Code::kUnavailable, Domain::kTool, static_cast<int>(code), {}, {}, Retry::kLater};
  error.message = url.substr(0, 200) + ": " +
                  std::string(*detail != '\0' ? detail : curl_easy_strerror(code)).substr(0, 200);
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      error.code = Code::kTimeout;
      break;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
      error.code = Code::kPermission;  // certificates are replaced now and then: later, too
      break;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
      error.code = Code::kInvalid;
      break;
    default:
      break;
  }
  return error;
}

class CurlConnection final : public HttpConnection {
 public:
  explicit CurlConnection(std::size_t max_answer) : max_answer_(max_answer) {
    curl_global_init(CURL_GLOBAL_DEFAULT);  // counted and locked by libcurl since 7.84
    multi_ = curl_multi_init();
    easy_ = curl_easy_init();
  }
  CurlConnection(const CurlConnection&) = delete;
  CurlConnection& operator=(const CurlConnection&) = delete;
  ~CurlConnection() override {
    const NoSigpipe guard;
    curl_easy_cleanup(easy_);
    curl_multi_cleanup(multi_);
    curl_global_cleanup();
  }

  bool made() const { return multi_ != nullptr && easy_ != nullptr; }

  void use(const TlsMaterial& tls) override {
    if (tls == tls_) return;
    tls_ = tls;
    fresh_ = true;
  }

  Result<HttpAnswer> perform(const HttpRequest& request, Duration deadline) override {
    const NoSigpipe guard;
    Sink sink;
    sink.limit = max_answer_;
    char detail[CURL_ERROR_SIZE] = "";
    HeaderList headers;
    for (const auto& line : request.headers) headers.add(line);
    set_up(request, headers, sink, detail);
    if (curl_multi_add_handle(multi_, easy_) != CURLM_OK) {
      return fail(Code::kInternal, "libcurl takes no request");
    }
    auto code = drive(std::chrono::steady_clock::now() + deadline);
    curl_multi_remove_handle(multi_, easy_);
    curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, nullptr);
    if (canceled_) return fail(canceled(request.url));
    if (!code)
      return fail(Error{Code::kTimeout,
                        Domain::kTool,
                        0,
                        request.url.substr(0, 200) + ": no answer in time",
                        {},
                        Retry::kLater});
    if (sink.too_large) {
      return fail(Code::kInvalid, request.url.substr(0, 200) + ": the answer is larger than " +
                                      std::to_string(max_answer_) + " bytes");
    }
    if (*code != CURLE_OK) return fail(curl_error(*code, detail, request.url));
    fresh_ = false;
    HttpAnswer answer;
    curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &answer.status);
    answer.body = std::move(sink.body);
    return answer;
  }

  void cancel() override {
    canceled_ = true;
    curl_multi_wakeup(multi_);
  }

 private:
  static Error canceled(const std::string& url) {
    return Error{Code::kUnavailable, Domain::kNone, 0, url.substr(0, 200) + ": canceled", {},
                 Retry::kNever};
  }

  // The outcome; nothing when the time is up or somebody canceled.
  Result<CURLcode> drive(TimePoint deadline) {
    for (;;) {
      int running = 0, left = 0;
      curl_multi_perform(multi_, &running);
      while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
        if (message->msg == CURLMSG_DONE) return message->data.result;
      }
      if (canceled_) return fail(Code::kUnavailable, "canceled");
      const auto remaining = deadline - std::chrono::steady_clock::now();
      if (remaining <= Duration::zero()) return fail(Code::kTimeout, "deadline");
      const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(remaining).count();
      curl_multi_poll(multi_, nullptr, 0, static_cast<int>(std::clamp<long>(ms, 1, 1000)), nullptr);
    }
  }

  void set_up(const HttpRequest& request, const HeaderList& headers, Sink& sink, char* detail) {
    curl_easy_reset(easy_);
    const auto set = [this](CURLoption option, auto value) {
      curl_easy_setopt(easy_, option, value);
    };
    set(CURLOPT_URL, request.url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_FOLLOWLOCATION, 0L);  // a token is for this server only
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_QUICK_EXIT, 1L);  // doesn't wait for a resolver that hangs
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_TCP_KEEPALIVE, 1L);
    set(CURLOPT_ERRORBUFFER, detail);
    set(CURLOPT_HTTPHEADER, headers.head);
    set(CURLOPT_WRITEFUNCTION, &on_body);
    set(CURLOPT_WRITEDATA, static_cast<void*>(&sink));
    set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
    if (!request.body.empty()) {
      set(CURLOPT_POSTFIELDS, request.body.data());  // not copied; the request outlives the call
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    }
    set_up_tls();
  }

  void set_up_tls() {
    const auto blob = [this](CURLoption option, const std::string& text) {
      curl_blob value{};
      value.data = const_cast<char*>(text.data());  // copied: CURL_BLOB_COPY
      value.len = text.size();
      value.flags = CURL_BLOB_COPY;
      curl_easy_setopt(easy_, option, &value);
    };
    curl_easy_setopt(easy_, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    curl_easy_setopt(easy_, CURLOPT_SSL_VERIFYPEER, tls_.verify ? 1L : 0L);
    curl_easy_setopt(easy_, CURLOPT_SSL_VERIFYHOST, tls_.verify ? 2L : 0L);
    if (!tls_.ca.empty()) {
      // This authority and no other: not the system's beside it.
      curl_easy_setopt(easy_, CURLOPT_CAINFO, nullptr);
      curl_easy_setopt(easy_, CURLOPT_CAPATH, nullptr);
      blob(CURLOPT_CAINFO_BLOB, tls_.ca);
    }
    if (!tls_.certificate.empty()) {
      curl_easy_setopt(easy_, CURLOPT_SSLCERTTYPE, "PEM");
      blob(CURLOPT_SSLCERT_BLOB, tls_.certificate);
      blob(CURLOPT_SSLKEY_BLOB, tls_.key);
    }
    // An open connection, and a session that could be resumed, were made with the old material.
    curl_easy_setopt(easy_, CURLOPT_FRESH_CONNECT, fresh_ ? 1L : 0L);
    curl_easy_setopt(easy_, CURLOPT_SSL_SESSIONID_CACHE, 0L);
  }

  CURLM* multi_ = nullptr;
  CURL* easy_ = nullptr;
  const std::size_t max_answer_;
  TlsMaterial tls_;
  bool fresh_ = false;
  std::atomic<bool> canceled_ = false;
};

}  // namespace

Result<std::unique_ptr<HttpConnection>> HttpConnection::make(std::size_t max_answer) {
  auto connection = std::make_unique<CurlConnection>(max_answer);
  if (!connection->made()) return fail(Code::kExhausted, "libcurl has no memory");
  return std::unique_ptr<HttpConnection>(std::move(connection));
}

}  // namespace sluice::kube
