// Cross-check of FHIR Attachments (docs/spec/commitments.md 3): where an attachment states `size` or `hash` (SHA-1) and
// its bytes are at hand, inline as `data`, in a contained Binary, or wherever the caller finds its `url`, they must
// agree. SHA-1 is what FHIR prescribes there; it is compared and forgotten, and secures nothing of ours. Pure; any
// thread.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "galen/base/bytes.hpp"
#include "galen/base/result.hpp"
#include "galen/types/json.hpp"

namespace galen {

struct AttachmentCount {
  std::size_t checked = 0;
  std::size_t unchecked = 0;  ///< with hash or size, but their bytes are not here
};

/// Bytes behind an attachment's url, or nothing if they are not at hand.
using AttachmentSource = std::function<std::optional<Bytes>(std::string_view url)>;

/// All attachments below `resource`. ATTACHMENT_MISMATCH names the path of the first that contradicts its bytes.
Result<AttachmentCount> check_attachments(const JsonValue& resource, const AttachmentSource& source = {});
/// The same for bytes that may be anything: what is no JSON object with an attachment in it passes.
Status check_attachments_in(ByteSpan content);
/// Objects below `resource` that state hash or size of something: attachments by their shape.
std::vector<JsonValue> attachments_of(const JsonValue& resource);
/// Whether `content` is what one attachment states. ATTACHMENT_MISMATCH.
Status check_attachment(const JsonValue& attachment, ByteSpan content);

/// base64Binary of FHIR: RFC 4648 section 4 with white space anywhere; nothing if it is none.
std::optional<Bytes> from_fhir_base64(std::string_view text);

}  // namespace galen
