// galenctl record anchor|canonical: one document of any kind under a source id, and the bytes that a commitment covers.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "galen/crypto/hash.hpp"
#include "galen/crypto/random.hpp"
#include "galenctl/arguments.hpp"
#include "galenctl/content.hpp"
#include "galenctl/noun_record.hpp"
#include "galenctl/outcome.hpp"
#include "galenctl/write_call.hpp"

namespace galen::galenctl {
namespace {

struct AnchorOptions {
  std::string file, source, system = kDefaultSystem, subject, record_class = "N", retention = "NONE", described_by;
  std::optional<std::size_t> entry;
  bool validate_only = false;
};

/// The number of "N" with the prefix "RECORD_CLASS_", and so on.
template <class Enum>
Result<Enum> parse_enum(const std::string& option, const std::string& prefix, const std::string& text,
                        bool (*parse)(const std::string&, Enum*)) {
  Enum out{};
  if (parse(prefix + text, &out) && out != Enum{}) return out;
  return make_error(ErrorCode::INVALID_ARGUMENT, fmt::format("{}: {} is not known", option, text));
}
bool parse_class(const std::string& text, ledger::v1::RecordClass* out) {
  return ledger::v1::RecordClass_Parse(text, out);
}
bool parse_retention(const std::string& text, ledger::v1::RetentionClass* out) {
  return ledger::v1::RetentionClass_Parse(text, out);
}

Result<v1::AnchorItem> item_of(Context& context, const AnchorOptions& options, const Method& method) {
  GALEN_ASSIGN(auto document, load_document(options.file, options.entry));
  if (document.resource != nullptr) {
    GALEN_TRY(check_resource(document.file, *document.resource, method));
  } else {
    GALEN_TRY(canonical_bytes(method.canon, as_bytes(document.bytes), method.lossy));
    GALEN_TRY(check_attachments_in(as_bytes(document.bytes)));
  }
  if (!options.described_by.empty()) GALEN_TRY(check_described_by(options.described_by, as_bytes(document.bytes)));
  auto source = options.source.empty() ? document.source : options.source;
  if (source.empty())
    return make_error(ErrorCode::INVALID_ARGUMENT,
                      "--source TYPE/ID, e.g. PDF/report-7: this file does not say what it is" + document.hint());
  v1::AnchorItem item;
  GALEN_ASSIGN(*item.mutable_source(), parse_source(options.system, source));
  if (!options.subject.empty()) {
    GALEN_ASSIGN(auto subject, parse_patient(context, options.subject));
    item.set_subject(subject.str());
  }
  GALEN_ASSIGN(auto record_class, parse_enum("--class", "RECORD_CLASS_", options.record_class, parse_class));
  GALEN_ASSIGN(auto retention, parse_enum("--retention", "RETENTION_CLASS_", options.retention, parse_retention));
  item.set_class_(record_class);
  item.set_retention(retention);
  item.set_content(std::move(document.bytes));
  item.set_canon(method.canon);
  item.set_lossy(method.lossy == Lossy::allow);
  return item;
}

Result<int> anchor(Context& context, const AnchorOptions& options, const MethodOptions& method_options) {
  GALEN_ASSIGN(auto method, parse_method(method_options));
  v1::AnchorRecordRequest request;
  request.set_request_id(crypto::random_request_id().str());
  request.set_validate_only(options.validate_only);
  GALEN_ASSIGN(*request.mutable_item(), item_of(context, options, method));
  GALEN_ASSIGN(auto client, context.connect());
  GALEN_ASSIGN(auto answer, call_write(context, client, request));
  const auto& item = answer.item();
  auto pointer = to_hex(as_bytes(item.pointer_id()));
  JsonWriter writer;
  writer.begin_object().field("pointer_id", pointer).field("already_anchored", item.already_anchored());
  writer.field("supersedes", to_hex(as_bytes(item.supersedes()))).field("canon", canon_name(method.canon));
  writer.field("lossy_numbers", std::uint64_t{item.lossy_numbers()});
  if (!options.validate_only && !item.already_anchored()) {
    GALEN_TRY(check_outcome(answer.outcome()));
    write_outcome(writer, answer.outcome());
  }
  context.output.result(writer.end_object());
  if (options.validate_only) {
    context.output.say("it would be anchored; nothing was");
    return kExitOk;
  }
  context.output.say(fmt::format("{}\npointer {}\nmethod  {}",
                                 item.already_anchored()     ? "was anchored before"
                                 : item.supersedes().empty() ? "anchored"
                                                             : "anchored as a new version",
                                 pointer, canon_name(method.canon)));
  if (item.lossy_numbers() != 0)
    context.output.say(fmt::format("{} numbers came out with other digits; this member has noted it",
                                   format_count(item.lossy_numbers())));
  return kExitOk;
}

struct CanonicalOptions {
  std::string file;
  std::optional<std::size_t> entry;
  bool whole = false, hash = false;
};

Result<CanonicalText> canonical_of(const CanonicalOptions& options, const Method& method) {
  if (options.whole) {
    auto file = options.file;
    GALEN_ASSIGN(auto document, load_document(file, options.entry));
    if (document.resource != nullptr) return canonical_json(*document.resource->value, method.lossy);
    GALEN_ASSIGN(const auto parsed, JsonDocument::parse(std::move(document.bytes)));
    return canonical_json(parsed.root(), method.lossy);
  }
  GALEN_ASSIGN(auto document, load_document(options.file, options.entry));
  if (document.resource != nullptr && method.canon == ledger::v1::CANON_METHOD_JCS)
    return canonical_resource(*document.resource->value, method.lossy);
  return canonical_bytes(method.canon, as_bytes(document.bytes), method.lossy);
}

/// Needs no node. The bytes go to stdout as they are, so that they can be hashed or sent through HMAC with stock tools.
Result<int> canonical(Context& context, const CanonicalOptions& options, const MethodOptions& method_options) {
  if (options.whole && method_options.name == "raw")
    return make_error(ErrorCode::INVALID_ARGUMENT,
                      "--whole is RFC 8785, as jcs is; --method raw prints the bytes as they are");
  GALEN_ASSIGN(auto method, parse_method(method_options));
  GALEN_ASSIGN(auto text, canonical_of(options, method));
  auto sha256 = crypto::hash(crypto::Suite::p256_sha256, as_bytes(text.text)).hex();
  JsonWriter writer;
  writer.begin_object().field("canon", canon_name(method.canon)).field("bytes", std::uint64_t{text.text.size()});
  writer.field("sha256", sha256).field("lossy_numbers", std::uint64_t{text.lossy_numbers});
  writer.key("lossy_paths").begin_array();
  for (const auto& path : text.lossy_paths) writer.value(path);
  context.output.result(writer.end_array().end_object());
  for (const auto& path : text.lossy_paths) context.output.note(fmt::format("other digits: {}", path));
  if (text.lossy_numbers > text.lossy_paths.size())
    context.output.note(fmt::format("other digits: {} more", text.lossy_numbers - text.lossy_paths.size()));
  if (options.hash)
    context.output.say(fmt::format("{}  {} bytes, SHA-256, method {}{}", sha256, format_count(text.text.size()),
                                   canon_name(method.canon), options.whole ? ", whole" : ""));
  else if (!context.output.json)
    context.output.raw(text.text);
  return kExitOk;
}

}  // namespace

void add_record_anchor(CLI::App& app, Context& context) {
  auto options = std::make_shared<AnchorOptions>();
  auto method = std::make_shared<MethodOptions>();
  auto* verb =
      add_verb(app, "record", "anchor", "Anchor one document of any kind: FHIR JSON, HL7 v2, C-CDA, PDF, DICOM");
  verb->add_option("FILE", options->file, "The document")->required();
  verb->add_option("--source", options->source, "TYPE/ID in the source system (default: that of a FHIR resource)");
  verb->add_option("--system", options->system, "Source system of --source");
  verb->add_option("--entry", options->entry, "Entry of a Bundle, counted from 0")->check(CLI::NonNegativeNumber);
  verb->add_option("--subject", options->subject, "The patient: pseudonym, or name kept below --dir");
  verb->add_option("--class", options->record_class, "N, R or V")->check(CLI::IsMember({"N", "R", "V"}));
  verb->add_option("--retention", options->retention, "NONE, HIPAA_6Y or DSCSA_6Y")
      ->check(CLI::IsMember({"NONE", "HIPAA_6Y", "DSCSA_6Y"}));
  verb->add_option("--described-by", options->described_by,
                   "FHIR JSON, e.g. a DocumentReference: SHA-1 and size it states must be those of FILE");
  verb->add_flag("--validate-only", options->validate_only, "Check everything, anchor nothing");
  add_method_options(verb, method);
  verb->callback([&context, options, method] {
    context.action = [&context, options, method] { return anchor(context, *options, *method); };
  });

  auto canonical_options = std::make_shared<CanonicalOptions>();
  auto canonical_method = std::make_shared<MethodOptions>();
  canonical_method->name = "jcs";
  auto* print = add_verb(app, "record", "canonical", "Print the bytes that a commitment covers (needs no node)");
  print->add_option("FILE", canonical_options->file, "FHIR JSON or any document")->required();
  print->add_option("--entry", canonical_options->entry, "Entry of a Bundle, counted from 0")
      ->check(CLI::NonNegativeNumber);
  print->add_flag("--whole", canonical_options->whole,
                  "Plain RFC 8785 of any JSON, text and meta included; no record has it");
  print->add_flag("--hash", canonical_options->hash, "Print SHA-256 and length instead of the bytes");
  add_method_options(print, canonical_method);
  print->get_option("--method")->description("raw, or jcs (default)");
  print->callback([&context, canonical_options, canonical_method] {
    context.action = [&context, canonical_options, canonical_method] {
      return canonical(context, *canonical_options, *canonical_method);
    };
  });
}

}  // namespace galen::galenctl
