// Verifies an evidence file of any kind and says in words, for a reader who knows neither Galen nor cryptography, and
// as JSON what it proves, and what it does not: a court must not read more into it than there is (docs/spec/evidence.md
// 5). Used by galen-verify and galenctl, and for the summary page inside a bundle. Pure; any thread.
#pragma once

#include <string>

#include "galen/types/evidence.hpp"
#include "galen/types/limits.hpp"

namespace galen {

/// As much of a file as any check needs: what is longer than every kind of file may be is longer than its own limit
/// too, and that is said behind magic and version (docs/spec/evidence.md 3). No more is read, however long it is.
inline constexpr std::size_t kVerifyReadBytesMax = 65 * 1024 * 1024;
static_assert(kVerifyReadBytesMax > limits::kEvidenceBytesMax + 10 && kVerifyReadBytesMax > limits::kGenesisBytesMax);

struct VerifiedFile {
  EvidenceKind kind = EvidenceKind::receipt;
  std::string text;  ///< a page; begins with VALID
  std::string json;  ///< one line without its end
};
/// Recognises the kind by its magic. `genesis`: exact bytes of genesis.json; only a bundle can do without.
Result<VerifiedFile> verify_evidence_file(const std::optional<Bytes>& genesis, ByteSpan file);

std::string report_text(const Genesis& genesis, const ReceiptVerdict& verdict);
std::string report_json(const Genesis& genesis, const ReceiptVerdict& verdict);
/// `kind`: what the file is called, "transaction proof", "state proof", "consistency proof" or "evidence".
std::string report_text(const std::string& kind, const BundleVerdict& verdict);
std::string report_json(const std::string& kind, const BundleVerdict& verdict);
/// Of a file that cannot be read: the part is `file`.
Error unreadable_file(const std::string& why);
/// {"valid":false,"error":{"reason":…,"part":…,…}}
std::string report_error_json(const Error& error);
/// "PERMIT (CONSENT): …"
std::string decision_text(const Genesis& genesis, const ledger::v1::AccessEntry& entry);

}  // namespace galen
