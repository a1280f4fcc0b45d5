#include "galenctl/content.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "galenctl/files.hpp"

namespace galen::galenctl {

void add_method_options(CLI::App* verb, const std::shared_ptr<MethodOptions>& options) {
  verb->add_option("--method", options->name,
                   "raw: the bytes as they are (default). jcs: RFC 8785 of a FHIR JSON resource without text and meta")
      ->check(CLI::IsMember({"raw", "jcs"}));
  verb->add_flag("--lossy", options->lossy,
                 "With jcs: numbers may come out with other digits (1.50 as 1.5); it is noted");
}

Result<Method> parse_method(const MethodOptions& options) {
  Method out;
  auto canon = canon_from_name(options.name);
  if (!canon) return make_error(ErrorCode::INVALID_ARGUMENT, "--method: raw or jcs");
  out.canon = *canon;
  if (options.lossy) out.lossy = Lossy::allow;
  if (options.lossy && out.canon != ledger::v1::CANON_METHOD_JCS)
    return make_error(ErrorCode::INVALID_ARGUMENT, "--lossy goes with --method jcs: raw bytes lose nothing");
  return out;
}

Status check_resource(const FhirFile& file, const FhirResource& resource, const Method& method) {
  // Sent on a stream, it would end that for all that are on it, and again each time.
  if (resource.content.size() > kRequestBytesMax)
    return make_error(ErrorCode::TOO_LARGE,
                      fmt::format("{}: a resource of {} bytes; one request holds {}", resource.value->path(),
                                  resource.content.size(), kRequestBytesMax));
  auto binary = [&](std::string_view url) { return file.binary(url); };
  GALEN_TRY(check_attachments(*resource.value, binary));
  if (method.canon == ledger::v1::CANON_METHOD_JCS) GALEN_TRY(canonical_resource(*resource.value, method.lossy));
  return {};
}

Result<Document> load_document(const std::string& path, const std::optional<std::size_t>& entry) {
  Document out;
  // Read once: a pipe gives its bytes only once.
  GALEN_ASSIGN(auto text, read_text_file(path, kJsonBytesMax));
  out.file = FhirFile::parse(text);
  const auto& resources = out.file.resources();
  if (entry) {
    for (const auto& resource : resources)
      if (resource.entry == *entry) out.resource = &resource;
    if (out.resource == nullptr && !out.file.problems().empty()) return out.file.problems().front().error;
    if (out.resource == nullptr && *entry < out.file.entry_count())
      return make_error(ErrorCode::NOT_FOUND, fmt::format("entry {} of {} holds no resource", *entry, path));
    if (out.resource == nullptr)
      return make_error(ErrorCode::NOT_FOUND,
                        fmt::format("{} has {} entries, counted from 0", path, out.file.entry_count()));
  } else if (!out.file.is_bundle() && !resources.empty()) {
    out.resource = &resources.front();
  }
  if (out.resource != nullptr) {
    out.bytes = std::string(out.resource->content);
    out.source = out.resource->type + "/" + out.resource->id;
    return out;
  }
  out.bytes = std::move(text);
  return out;
}

std::string Document::hint() const {
  if (resource != nullptr || !file.is_bundle()) return "";
  return fmt::format("; it is a Bundle: --entry N takes one of its entries ({}, counted from 0)", file.entry_count());
}

Status check_described_by(const std::string& path, ByteSpan content) {
  GALEN_ASSIGN(auto text, read_text_file(path));
  GALEN_ASSIGN(const auto document, JsonDocument::parse(std::move(text)));
  auto stated = attachments_of(document.root());
  if (stated.empty())
    return make_error(ErrorCode::INVALID_ARGUMENT, fmt::format("{} states no attachment with hash or size", path));
  Status first = check_attachment(stated.front(), content);
  for (const auto& attachment : stated)
    if (check_attachment(attachment, content)) return {};
  return first;
}

}  // namespace galen::galenctl
