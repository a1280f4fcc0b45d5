// Verifies an evidence file of any kind and says in words, for a reader who knows neither Galen nor cryptography, and
// as JSON what it proves, and what it does not: a court must not read more into it than there is (docs/spec/evidence.md
// 5). Used by galen-verify and galenctl, and for the summary page inside a bundle. Pure; any thread.
#pragma once

#include <string>

#include "galen/types/evidence.hpp"

namespace galen {

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
/// {"valid":false,"error":{"reason":…,"part":…,…}}
std::string report_error_json(const Error& error);
/// "PERMIT (CONSENT): …"
std::string decision_text(const Genesis& genesis, const ledger::v1::AccessEntry& entry);

}  // namespace galen
