// galenctl record get|verify|history|status; import and anchor have files of their own.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "galen/crypto/random.hpp"
#include "galenctl/arguments.hpp"
#include "galenctl/content.hpp"
#include "galenctl/noun_record.hpp"
#include "galenctl/outcome.hpp"
#include "galenctl/read_flags.hpp"
#include "galenctl/write_call.hpp"

namespace galen::galenctl {
namespace {

struct Which {
  std::string pointer, source, system = kDefaultSystem;
};

struct VerifyOptions {
  std::string file, method;
  std::optional<std::size_t> entry;
};

/// Fills pointer_id or source of any request that has both.
template <class Request>
Status choose(const Which& which, Request& request) {
  if (which.pointer.empty() == which.source.empty())
    return make_error(ErrorCode::INVALID_ARGUMENT, "name the record by --pointer ID or by --source TYPE/ID");
  if (!which.pointer.empty()) {
    GALEN_ASSIGN(auto pointer, parse_id("--pointer", which.pointer));
    request.set_pointer_id(pointer.str());
    return {};
  }
  GALEN_ASSIGN(*request.mutable_source(), parse_source(which.system, which.source));
  return {};
}

std::string status_word(ledger::v1::RecordStatus status) {
  return enum_word(ledger::v1::RecordStatus_Name(status), "RECORD_STATUS_");
}
std::string hex_of(const std::string& bytes) { return to_hex(as_bytes(bytes)); }

/// Member names are nicer than ids, where genesis is at hand.
std::string custodian_of(const Context& context, const std::string& id) {
  auto genesis = load_genesis(context, "");
  auto member = PrincipalId::from(id);
  return genesis && member ? member_name(*genesis, *member) : hex_of(id);
}

void write_fields(JsonWriter& writer, const v1::PointerRecord& record) {
  const auto& state = record.state();
  writer.field("pointer_id", hex_of(record.pointer_id())).field("status", status_word(state.status()));
  writer.field("custodian", hex_of(state.custodian())).field("subject", hex_of(state.subject()));
  writer.field("canon", canon_name(state.canon()));
  writer.field("commitment", hex_of(state.commitment()))
      .field("height", state.height())
      .field("period", state.period());
  writer.field("class", enum_word(ledger::v1::RecordClass_Name(state.class_()), "RECORD_CLASS_"));
  writer.field("retention", enum_word(ledger::v1::RetentionClass_Name(state.retention()), "RETENTION_CLASS_"));
  writer.field("supersedes", hex_of(state.supersedes())).field("superseded_by", hex_of(state.superseded_by()));
  writer.field("narrowed", record.narrowed());
}

void write_read_point(JsonWriter& writer, const v1::ReadPoint& point) {
  writer.key("read_point").begin_object().field("height", point.height()).field("block_time_ms", point.block_time_ms());
  writer.field("age_ms", point.age_ms()).field("quorum", point.quorum()).end_object();
}

std::string as_of(const v1::ReadPoint& point) {
  return fmt::format("as of height {}, {} ago{}", format_count(point.height()), format_duration(point.age_ms()),
                     point.quorum() ? "" : "; NO QUORUM, newer changes may be missing");
}

/// What the custodian noted when it anchored; nobody else knows.
std::string loss_of(std::uint32_t lossy_numbers) {
  return lossy_numbers == 0 ? "" : fmt::format(", lossy: the digits of {} numbers", format_count(lossy_numbers));
}

Result<int> get(Context& context, const Which& which) {
  v1::GetRecordRequest request;
  GALEN_TRY(choose(which, request));
  GALEN_ASSIGN(auto client, context.connect());
  GALEN_ASSIGN(auto answer, client.call(request));
  const auto& state = answer.record().state();
  const bool narrowed = answer.record().narrowed();
  const std::string kept = "shown to its custodian and to the patient's own hospital";
  context.output.say(fmt::format(
      "pointer    {}\nstatus     {}\ncustodian  {}\nsubject    {}\ncommitment {}\nmethod     {}{}\nheight     {}\n{}",
      hex_of(answer.record().pointer_id()), status_word(state.status()), custodian_of(context, state.custodian()),
      narrowed ? kept : state.subject().empty() ? "none" : hex_of(state.subject()), hex_of(state.commitment()),
      canon_name(state.canon()), loss_of(answer.lossy_numbers()),
      narrowed ? kept : format_count(state.height()), as_of(answer.read_point())));
  JsonWriter writer;
  writer.begin_object();
  write_fields(writer, answer.record());
  writer.field("lossy_numbers", std::uint64_t{answer.lossy_numbers()});
  write_read_point(writer, answer.read_point());
  context.output.result(writer.end_object());
  return kExitOk;
}

/// More than this no node lists (docs/api.md, Limits).
constexpr int kVersionsMax = 1000;

Result<int> history(Context& context, const Which& which) {
  v1::ListRecordVersionsRequest request;
  GALEN_TRY(choose(which, request));
  GALEN_ASSIGN(auto client, context.connect());
  GALEN_ASSIGN(auto answer, client.call(request));
  std::vector<std::vector<std::string>> table = {{"VERSION", "HEIGHT", "STATUS", "POINTER"}};
  JsonWriter writer;
  writer.begin_object().key("versions").begin_array();
  for (const auto& version : answer.versions()) {
    writer.begin_object();
    write_fields(writer, version);
    writer.end_object();
    table.push_back({std::to_string(table.size()), format_count(version.state().height()),
                     status_word(version.state().status()), hex_of(version.pointer_id())});
  }
  const bool truncated = answer.versions_size() >= kVersionsMax;
  writer.end_array().field("truncated", truncated);
  write_read_point(writer, answer.read_point());
  context.output.say(format_table(table));
  if (truncated)
    context.output.say(fmt::format("there may be more: a node lists {} versions at most", format_count(kVersionsMax)));
  context.output.say(as_of(answer.read_point()));
  context.output.result(writer.end_object());
  return kExitOk;
}

Result<int> verify(Context& context, Which which, const VerifyOptions& options) {
  GALEN_ASSIGN(auto content, load_document(options.file, options.entry));
  if (which.pointer.empty() && which.source.empty()) which.source = content.source;
  if (which.pointer.empty() && which.source.empty())
    return make_error(ErrorCode::INVALID_ARGUMENT,
                      fmt::format("name the record by --pointer ID or by --source TYPE/ID: {} does not say what it is{}",
                                  options.file, content.hint()));
  v1::VerifyRecordRequest request;
  GALEN_TRY(choose(which, request));
  request.set_content(std::move(content.bytes));
  GALEN_ASSIGN(auto client, context.connect());
  auto answer = client.call(request);
  bool differs = !answer && answer.error().code == ErrorCode::COMMITMENT_MISMATCH;
  if (!answer && !differs) return answer.error();
  if (answer && !options.method.empty() && canon_name(answer->record().state().canon()) != options.method)
    return make_error(ErrorCode::INVALID_ARGUMENT,
                      fmt::format("--method {}: the record was anchored by method {}", options.method,
                                  canon_name(answer->record().state().canon())));
  bool match = answer && answer->match();
  JsonWriter writer;
  writer.begin_object().field("match", match);
  if (answer) {
    write_fields(writer, answer->record());
    writer.field("lossy_numbers", std::uint64_t{answer->lossy_numbers()}).field("message", answer->message());
    write_read_point(writer, answer->read_point());
  }
  context.output.result(writer.end_object());
  if (match) {
    bool raw = answer->record().state().canon() == ledger::v1::CANON_METHOD_RAW;
    context.output.say(fmt::format("VERIFIED: {} anchored at height {} (pointer {}, {})",
                                   raw ? "these are the bytes" : "this is the resource, by its canonical bytes (jcs),",
                                   format_count(answer->record().state().height()),
                                   hex_of(answer->record().pointer_id()),
                                   status_word(answer->record().state().status())));
    if (answer->lossy_numbers() != 0)
      context.output.say(
          fmt::format("LOSSY: {} numbers were anchored with other digits (1.50 as 1.5); of those digits "
                      "this says nothing",
                      format_count(answer->lossy_numbers())));
    return kExitOk;
  }
  context.output.say("DIFFERENT: these are not the bytes that were anchored");
  if (answer && !answer->message().empty()) context.output.say(answer->message());
  if (!content.hint().empty()) context.output.say(options.file + " was taken whole" + content.hint());
  return kExitError;
}

struct StatusOptions {
  std::string status, pointer, superseded_by;
  bool validate_only = false;
};

Result<int> set_status(Context& context, const StatusOptions& options) {
  const bool superseded = options.status == "superseded";
  if (superseded == options.superseded_by.empty())
    return make_error(ErrorCode::INVALID_ARGUMENT,
                      superseded ? "superseded needs --superseded-by: the pointer of what is valid instead"
                                 : "--superseded-by goes with superseded alone");
  v1::SetRecordStatusRequest request;
  request.set_request_id(crypto::random_request_id().str());
  request.set_validate_only(options.validate_only);
  request.set_status(superseded ? ledger::v1::RECORD_STATUS_SUPERSEDED : ledger::v1::RECORD_STATUS_ENTERED_IN_ERROR);
  GALEN_ASSIGN(auto pointer, parse_id("--pointer", options.pointer));
  request.set_pointer_id(pointer.str());
  JsonWriter writer;
  writer.begin_object().field("pointer_id", pointer.hex()).field("status", status_word(request.status()));
  if (superseded) {
    GALEN_ASSIGN(auto successor, parse_id("--superseded-by", options.superseded_by));
    request.set_superseded_by(successor.str());
    writer.field("superseded_by", successor.hex());
  }
  GALEN_ASSIGN(auto client, context.connect());
  GALEN_ASSIGN(auto answer, call_write(context, client, request));
  if (options.validate_only) {
    context.output.say("it would be marked; nothing was");
  } else {
    GALEN_TRY(check_outcome(answer.outcome()));
    context.output.say(fmt::format("marked {} at height {}\ntransaction {}", options.status,
                                   format_count(answer.outcome().height()), hex_of(answer.outcome().transaction_id())));
    write_outcome(writer, answer.outcome());
  }
  context.output.result(writer.field("validate_only", options.validate_only).end_object());
  return kExitOk;
}

void add_status(CLI::App& app, Context& context) {
  auto options = std::make_shared<StatusOptions>();
  auto* mark =
      add_verb(app, "record", "status", "Mark a record as entered in error or superseded (at the custodian); for good");
  mark->add_option("STATUS", options->status, "entered-in-error or superseded")
      ->required()
      ->check(CLI::IsMember({"entered-in-error", "superseded"}));
  mark->add_option("--pointer", options->pointer, "Pointer id, 64 hexadecimal digits")->required();
  mark->add_option("--superseded-by", options->superseded_by,
                   "superseded: the pointer id of the record that is valid instead");
  mark->add_flag("--validate-only", options->validate_only, "Check everything, mark nothing");
  mark->callback(
      [&context, options] { context.action = [&context, options] { return set_status(context, *options); }; });
}

void add_which(CLI::App* verb, const std::shared_ptr<Which>& which) {
  auto* pointer = verb->add_option("--pointer", which->pointer, "Pointer id, 64 hexadecimal digits");
  verb->add_option("--source", which->source, "TYPE/ID in the source system (at the custodian)");
  verb->add_option("--system", which->system, "Source system of --source")->excludes(pointer);
}

}  // namespace

void add_record(CLI::App& app, Context& context) {
  add_record_import(app, context);
  add_record_anchor(app, context);
  auto which = std::make_shared<Which>();
  auto* show = add_verb(app, "record", "get", "A record's pointer as the ledger has it");
  add_which(show, which);
  add_read_flags(show, context);
  show->callback([&context, which] { context.action = [&context, which] { return get(context, *which); }; });

  auto* versions = add_verb(app, "record", "history", "The versions of a record, oldest first; 1,000 at most");
  add_which(versions, which);
  add_read_flags(versions, context);
  versions->callback([&context, which] { context.action = [&context, which] { return history(context, *which); }; });

  auto options = std::make_shared<VerifyOptions>();
  auto* check =
      add_verb(app, "record", "verify", "Compare a document's bytes with what was anchored (at the custodian)");
  check->add_option("FILE", options->file, "FHIR JSON or any document")->required();
  check->add_option("--entry", options->entry, "Entry of a Bundle, counted from 0")->check(CLI::NonNegativeNumber);
  check->add_option("--method", options->method, "Refuse a record that was anchored by another method: raw or jcs")
      ->check(CLI::IsMember({"raw", "jcs"}));
  add_which(check, which);
  add_read_flags(check, context);
  check->callback([&context, which, options] {
    context.action = [&context, which, options] { return verify(context, *which, *options); };
  });
  add_status(app, context);
  app.get_subcommand("record")->description(
      "Documents' hashed pointers: import, anchor, get, verify, history, status, canonical");
}

}  // namespace galen::galenctl
