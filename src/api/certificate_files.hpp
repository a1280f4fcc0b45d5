// The front end's certificate with its chain, its key, and the CAs of its clients: three files, read at the start and
// again and again. gRPC takes what it is given and then refuses everybody, so it gets only what was found good here,
// and the three as they were read together. One thread of its own looks; current() is for any thread.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "galen/base/result.hpp"
#include "galen/crypto/x509_tls.hpp"

namespace galen::api {

class CertificateFiles {
 public:
  struct Paths {
    std::string certificate, key, client_ca;
  };
  struct Texts {
    std::string certificate, key, client_ca;
    bool operator==(const Texts&) const = default;
  };
  explicit CertificateFiles(Paths paths) : paths_(std::move(paths)) {}
  ~CertificateFiles();

  /// First of all. CONFIG_INVALID or KEY_FILE_READABLE with the file and what is wrong with it.
  Status load(std::int64_t now_s);
  /// Takes what has changed, or keeps what is in use and says why; warns of a certificate that ends.
  void look(std::int64_t now_s);
  /// look() every so many seconds until this is destroyed.
  void watch(std::uint32_t period_s);

  /// What is in use; the same object until something else is.
  std::shared_ptr<const Texts> current() const;

 private:
  struct Judged {
    std::shared_ptr<const Texts> texts;
    std::int64_t not_after_s;
  };
  Result<Texts> read() const;
  Result<Judged> judge(Texts texts, std::int64_t now_s) const;
  void take(Judged judged);
  void say_refused(const Error& why, Texts texts);
  void say_expiry(std::int64_t now_s);

  const Paths paths_;
  std::int64_t not_after_s_ = 0;  ///< of the certificate in use
  Texts refused_;                 ///< what was last refused, and why
  std::string refused_for_;
  crypto::ExpiryWatch expiry_;

  mutable std::mutex mutex_;
  std::shared_ptr<const Texts> current_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::thread watcher_;
};

}  // namespace galen::api
