// SPDX-License-Identifier: Apache-2.0
#include "common/kube/client.h"

#include <chrono>
#include <exception>

#include <nlohmann/json.hpp>

#include "common/kube/errors.h"
#include "common/kube/http.h"
#include "common/kube/json.h"

namespace sluice::kube {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxContinueBytes = 4096;
constexpr std::size_t kMaxTokenBytes = 64 * 1024;

bool printable(const std::string& text) {
  for (const char c : text) {
    if (c <= 0x20 || c == 0x7f) return false;
  }
  return true;
}

struct Page {
  std::vector<std::string> items;
  std::string next;  // "" on the last page
};

Result<Page> parse_page(const std::string& body, const std::string& path) {
  const auto root = parse_json(body);
  if (!root.is_object()) return fail(Code::kInvalid, path + ": the list is no JSON object");
  Page page;
  const auto items = root.find("items");
  // A Go server writes null for an empty list.
  if (items == root.end() || !(items->is_array() || items->is_null())) {
    return fail(Code::kInvalid, path + ": the list has no array 'items'");
  }
  for (const auto& item : *items) {
    page.items.push_back(item.dump(-1, ' ', false, json::error_handler_t::replace));
  }
  const auto metadata = root.find("metadata");
  if (metadata != root.end() && metadata->is_object()) {
    const auto next = metadata->find("continue");
    if (next != metadata->end() && next->is_string()) page.next = next->get<std::string>();
  }
  if (page.next.size() > kMaxContinueBytes) {
    return fail(Code::kInvalid, path + ": metadata.continue has " +
                                    std::to_string(page.next.size()) + " bytes; allowed are " +
                                    std::to_string(kMaxContinueBytes));
  }
  return page;
}

class HttpClient final : public Client {
 public:
  HttpClient(Config config, ClientLimits limits, std::unique_ptr<HttpConnection> connection)
      : config_(std::move(config)), limits_(limits), connection_(std::move(connection)) {}

  Result<std::string> get(const std::string& path, Duration deadline) override {
    return object(HttpRequest{"GET", config_.server + path, {}, {}}, end_of(deadline));
  }

  Result<std::vector<std::string>> list(const std::string& path, const ListOptions& options,
                                        Duration deadline) override {
    const auto end = end_of(deadline);
    auto items = list_once(path, options, end);
    if (items || items.error().native != 410) return items;
    return list_once(path, options, end);
  }

  Result<std::string> create(const std::string& path, const std::string& body,
                             Duration deadline) override {
    return object(HttpRequest{"POST", config_.server + path, {}, body}, end_of(deadline));
  }

  Result<std::string> update(const std::string& path, const std::string& body,
                             Duration deadline) override {
    return object(HttpRequest{"PUT", config_.server + path, {}, body}, end_of(deadline));
  }

  Status remove(const std::string& path, const std::string& uid, Duration deadline) override {
    json options = {{"kind", "DeleteOptions"}, {"apiVersion", "v1"}};
    if (!uid.empty()) options["preconditions"] = {{"uid", uid}};
    auto answer =
        call(HttpRequest{"DELETE", config_.server + path, {}, options.dump()}, end_of(deadline));
    if (answer || answer.error().code == Code::kNotFound) return {};
    return fail(std::move(answer).error());
  }

  void cancel() override { connection_->cancel(); }

 private:
  static TimePoint end_of(Duration deadline) { return std::chrono::steady_clock::now() + deadline; }

  Result<std::vector<std::string>> list_once(const std::string& path, const ListOptions& options,
                                             TimePoint end) {
    std::vector<std::string> items;
    std::string next;
    do {
      std::string query = "?limit=" + std::to_string(limits_.page_items);
      const auto add = [&query](const char* key, const std::string& value) {
        if (!value.empty()) query += std::string("&") + key + "=" + percent_encoded(value);
      };
      add("fieldSelector", options.field_selector);
      add("labelSelector", options.label_selector);
      add("continue", next);
      SLUICE_TRY(const auto body,
                 call(HttpRequest{"GET", config_.server + path + query, {}, {}}, end));
      SLUICE_TRY(auto page, parse_page(body, path));
      if (page.items.empty() && !page.next.empty() && page.next == next) {
        return fail(Code::kInvalid, path + ": the list doesn't end");
      }
      for (auto& item : page.items) items.push_back(std::move(item));
      if (items.size() > limits_.list_items) {
        return fail(Code::kInvalid, path + ": the list has more than " +
                                        std::to_string(limits_.list_items) + " items");
      }
      next = std::move(page.next);
    } while (!next.empty());
    return items;
  }

  Result<std::string> object(const HttpRequest& request, TimePoint end) {
    const std::string what = request.method + " " + request.url;
    SLUICE_TRY(auto body, call(request, end));
    const auto start = body.find_first_not_of(" \t\r\n");
    if (start == std::string::npos || body[start] != '{' || !json::accept(body)) {
      return fail(Code::kInvalid, what.substr(0, 200) + ": the answer is no JSON object: '" +
                                      body.substr(0, 100) + "'");
    }
    return body;
  }

  // One request; again when it was refused as unauthenticated and the token is another now.
  Result<std::string> call(HttpRequest request, TimePoint end) {
    SLUICE_CHECK_OK(load_tls());
    SLUICE_TRY(const auto token, load_token());
    SLUICE_TRY(auto answer, send(request, token, end));
    if (answer.status == 401) {
      SLUICE_TRY(const auto newer, load_token());
      if (newer != token) {
        SLUICE_TRY(answer, send(request, newer, end));
      }
    }
    if (answer.status >= 200 && answer.status < 300) {
      if (!nests_too_deep(answer.body)) return std::move(answer.body);
      return fail(Code::kInvalid, (request.method + " " + request.url).substr(0, 200) +
                                      ": the answer nests deeper than " +
                                      std::to_string(kMaxJsonDepth) + " levels");
    }
    return fail(answer_error(answer.status, answer.body,
                             (request.method + " " + request.url).substr(0, 300)));
  }

  Result<HttpAnswer> send(HttpRequest& request, const std::string& token, TimePoint end) {
    request.headers = {"Accept: application/json", "User-Agent: sluice", "Expect:"};
    if (!request.body.empty()) request.headers.emplace_back("Content-Type: application/json");
    if (!token.empty()) request.headers.push_back("Authorization: Bearer " + token);
    return connection_->perform(request, end - std::chrono::steady_clock::now());
  }

  Result<std::string> load_token() const {
    SLUICE_TRY(auto token, config_.token.read());
    // A line break would begin a header of its own.
    if (token.size() > kMaxTokenBytes || !printable(token)) {
      return fail(Code::kInvalid, "the token has spaces or control characters, or more than " +
                                      std::to_string(kMaxTokenBytes) + " bytes");
    }
    return token;
  }

  Status load_tls() {
    TlsMaterial tls;
    tls.verify = !config_.insecure_skip_tls_verify;
    SLUICE_TRY(tls.ca, config_.ca.read());
    SLUICE_TRY(tls.certificate, config_.client_certificate.read());
    SLUICE_TRY(tls.key, config_.client_key.read());
    connection_->use(tls);
    return {};
  }

  const Config config_;
  const ClientLimits limits_;
  std::unique_ptr<HttpConnection> connection_;
};

}  // namespace

Result<std::unique_ptr<Client>> Client::make(Config config, const Logger& log,
                                             ClientLimits limits) {
  SLUICE_CHECK_OK(check(config));
  for (const auto& warning : config.warnings) log.warn("kubeconfig", {{"warning", warning}});
  SLUICE_TRY(auto connection, HttpConnection::make(limits.answer_bytes));
  return std::unique_ptr<Client>(
      std::make_unique<HttpClient>(std::move(config), limits, std::move(connection)));
}

std::string percent_encoded(const std::string& text) {
  constexpr const char* kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out.push_back(c);
    } else {
      out += '%';
      out.push_back(kDigits[byte >> 4U]);
      out.push_back(kDigits[byte & 0xfU]);
    }
  }
  return out;
}

}  // namespace sluice::kube
