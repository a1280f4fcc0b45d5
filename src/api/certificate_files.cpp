#include "api/certificate_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <fstream>

#include "galen/base/clock.hpp"
#include "galen/base/log.hpp"
#include "galen/base/thread_name.hpp"

namespace galen::api {
namespace {

constexpr std::size_t kFileBytesMax = 1024 * 1024;

Error wrong(std::string_view what, const std::string& path, std::string_view why) {
  return make_error(ErrorCode::CONFIG_INVALID, fmt::format("{} {}: {}", what, path, why));
}

Result<std::string> read_file(std::string_view what, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kFileBytesMax + 1, '\0');
  if (file) file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  if (text.empty() || file.bad()) return wrong(what, path, "it cannot be read or is empty");
  if (text.size() > kFileBytesMax) return wrong(what, path, "it is too long");
  // gRPC takes texts that end with a zero byte.
  if (text.find('\0') != std::string::npos) return wrong(what, path, "it is no text");
  return text;
}

constexpr std::string_view kCertificate = "the server certificate";
constexpr std::string_view kKey = "the server key";
constexpr std::string_view kClientCa = "the clients' CA certificate";

/// While a CA changes there are two in the file, and one of them may have ended.
Status check_client_ca(const std::string& pem, std::int64_t now_s) {
  GALEN_ASSIGN(const auto all, crypto::parse_certificates(pem));
  for (const auto& one : all)
    if (crypto::check_validity(one, now_s)) return {};
  return crypto::check_validity(all.front(), now_s);
}

}  // namespace

CertificateFiles::~CertificateFiles() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
  if (watcher_.joinable()) watcher_.join();
}

Status CertificateFiles::load(std::int64_t now_s) {
  GALEN_ASSIGN(auto texts, read());
  GALEN_ASSIGN(auto judged, judge(std::move(texts), now_s));
  take(std::move(judged));
  say_expiry(now_s);
  return {};
}

// What was refused is judged again: a certificate that is not valid yet will be.
void CertificateFiles::look(std::int64_t now_s) {
  auto texts = read();
  if (!texts) {
    say_refused(texts.error(), {});
  } else if (*texts == *current()) {
    refused_for_.clear();
  } else if (auto judged = judge(*texts, now_s); !judged) {
    say_refused(judged.error(), std::move(*texts));
  } else {
    take(std::move(*judged));
    log::info("API certificate, key and client CA read again not_after={}", crypto::time_text(not_after_s_));
  }
  say_expiry(now_s);
}

void CertificateFiles::watch(std::uint32_t period_s) {
  watcher_ = std::thread([this, period_s] {
    name_this_thread("certificates");
    std::unique_lock lock(mutex_);
    while (!stopped_.wait_for(lock, std::chrono::seconds(period_s), [this] { return stopping_; })) {
      lock.unlock();
      look(static_cast<std::int64_t>(system_clock().wall_ms() / 1000));
      lock.lock();
    }
  });
}

std::shared_ptr<const CertificateFiles::Texts> CertificateFiles::current() const {
  std::lock_guard lock(mutex_);
  return current_;
}

Result<CertificateFiles::Texts> CertificateFiles::read() const {
  Texts texts;
  GALEN_TRY(crypto::check_key_file(paths_.key));
  GALEN_ASSIGN(texts.certificate, read_file(kCertificate, paths_.certificate));
  GALEN_ASSIGN(texts.key, read_file(kKey, paths_.key));
  GALEN_ASSIGN(texts.client_ca, read_file(kClientCa, paths_.client_ca));
  return texts;
}

Result<CertificateFiles::Judged> CertificateFiles::judge(Texts texts, std::int64_t now_s) const {
  const auto chain = crypto::parse_certificates(texts.certificate);
  if (!chain) return wrong(kCertificate, paths_.certificate, chain.error().message);
  const auto& own = chain->front();
  if (auto valid = crypto::check_validity(own, now_s); !valid)
    return wrong(kCertificate, paths_.certificate, valid.error().message);
  if (auto fits = crypto::check_certificate_key(texts.certificate, texts.key); !fits)
    return wrong(kKey, paths_.key, fits.error().message);
  if (auto clients = check_client_ca(texts.client_ca, now_s); !clients)
    return wrong(kClientCa, paths_.client_ca, clients.error().message);
  return Judged{std::make_shared<const Texts>(std::move(texts)), own.not_after_s};
}

void CertificateFiles::take(Judged judged) {
  refused_for_.clear();
  not_after_s_ = judged.not_after_s;
  std::lock_guard lock(mutex_);
  current_ = std::move(judged.texts);
}

// Once for each change, not at each look.
void CertificateFiles::say_refused(const Error& why, Texts texts) {
  if (why.message == refused_for_ && texts == refused_) return;
  refused_for_ = why.message;
  refused_ = std::move(texts);
  log::error("the changed API certificate, key or client CA cannot be used, the old ones stay reason={} error=\"{}\"",
             to_reason(why.code), why.message);
}

void CertificateFiles::say_expiry(std::int64_t now_s) {
  const auto when = crypto::time_text(not_after_s_);
  switch (expiry_.look(not_after_s_, now_s)) {
    case crypto::ExpiryWatch::Word::none:
      return;
    case crypto::ExpiryWatch::Word::soon:
      return log::warn("API certificate expires soon not_after={} days_left={} file={}: renew it", when,
                       crypto::days_left(not_after_s_, now_s), paths_.certificate);
    case crypto::ExpiryWatch::Word::over:
      return log::error("API certificate has expired, clients refuse it not_after={} file={}: renew it", when,
                        paths_.certificate);
  }
}

}  // namespace galen::api
