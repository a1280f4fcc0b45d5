// galenctl record import FILE...: what the user sees of import.cpp: progress, refusals, summary, exit code.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "galen/base/clock.hpp"
#include "galenctl/arguments.hpp"
#include "galenctl/files.hpp"
#include "galenctl/import.hpp"
#include "galenctl/noun_record.hpp"
#include "galenctl/patient_keys.hpp"

namespace galen::galenctl {
namespace {

struct Options {
  std::vector<std::string> files;
  std::string system = kDefaultSystem;
  std::string subject_key, subject_name;
  std::size_t batch = 100;
  double retry_for_s = 120;
  bool dry_run = false;
  std::shared_ptr<MethodOptions> method = std::make_shared<MethodOptions>();
};

/// "[######······] 340 of 612 resources  1,234/s" from bytes read, since the number of resources is not known before.
class Progress {
 public:
  Progress(Output& output, std::uint64_t bytes_total) : output_(output), bytes_total_(bytes_total) {}
  void set_bytes_read(std::uint64_t bytes) { bytes_read_ = bytes; }
  void show(const ImportSummary& summary) {
    auto now = system_clock().monotonic_us();
    if (!output_.progress || now - shown_us_ < 50'000) return;
    shown_us_ = now;
    constexpr std::size_t width = 30;
    std::size_t filled = bytes_total_ == 0 ? 0 : std::min<std::uint64_t>(width, bytes_read_ * width / bytes_total_);
    auto done = summary.anchored + summary.already_anchored + summary.refused;
    output_.status_line(fmt::format("[{}{}] {} resources, {}/s", std::string(filled, '#'),
                                    std::string(width - filled, '.'), format_count(done), format_count(rate(done))));
  }
  std::uint64_t elapsed_ms() const { return (system_clock().monotonic_us() - started_us_) / 1000; }
  std::uint64_t rate(std::uint64_t done) const { return done * 1000 / std::max<std::uint64_t>(1, elapsed_ms()); }

 private:
  Output& output_;
  const std::uint64_t bytes_total_;
  std::uint64_t bytes_read_ = 0;
  const std::uint64_t started_us_ = system_clock().monotonic_us();
  std::uint64_t shown_us_ = 0;
};

/// Left open, for what a dry run does not know.
JsonWriter summary_json(const ImportSummary& summary) {
  JsonWriter writer;
  writer.begin_object().field("resources", summary.resources).field("anchored", summary.anchored);
  writer.field("already_anchored", summary.already_anchored).field("refused", summary.refused);
  writer.field("skipped", summary.skipped).field("elsewhere", summary.elsewhere);
  return writer;
}

/// Programs get every one; people the first few.
void print_refusals(Output& output, const ImportSummary& summary) {
  constexpr std::size_t lines_max = 20;
  std::size_t lines = 0;
  for (const auto& refusal : summary.refusals) {
    std::string where = refusal.entry ? fmt::format("{} entry {}", refusal.file, *refusal.entry) : refusal.file;
    if (!output.json) {
      if (++lines > lines_max) continue;
      output.note(fmt::format("refused: {}: {} [{}]", where, refusal.message, refusal.reason));
      continue;
    }
    JsonWriter writer;
    writer.begin_object().key("refused").begin_object().field("file", refusal.file);
    if (refusal.entry) writer.field("entry", std::uint64_t{*refusal.entry});
    output.result(writer.field("reason", refusal.reason).field("message", refusal.message).end_object().end_object());
  }
  if (lines > lines_max) output.note(fmt::format("… and {} more; --json lists all", lines - lines_max));
}

void print_remarks(Output& output, const ImportSummary& summary) {
  if (summary.skipped != 0)
    output.say(fmt::format("{} entries were skipped: they delete or ask something, or answer, and hold no record",
                           format_count(summary.skipped)));
  if (summary.elsewhere != 0)
    output.say(
        fmt::format("{} resources name a patient of another server, and belong to nobody here; if it is this source's, "
                    "give its base URL as --system",
                    format_count(summary.elsewhere)));
}

/// After a break the one reason for it follows, instead of one line for each resource that was not sent.
void print_result(Context& context, const ImportSummary& summary, const Progress& progress, bool broke_off) {
  auto& output = context.output;
  if (!broke_off || output.json) print_refusals(output, summary);
  for (const auto& [id, pseudonym] : summary.patients) {
    JsonWriter writer;
    writer.begin_object().key("patient").begin_object().field("source", "Patient/" + id);
    output.result(writer.field("pseudonym", pseudonym.hex()).end_object().end_object());
    if (summary.patients.size() <= 3)
      output.say(fmt::format("patient Patient/{} has the pseudonym {}", id, pseudonym.hex()));
  }
  if (!summary.first_pointer.empty()) {
    JsonWriter writer;
    writer.begin_object().field("first_pointer", to_hex(summary.first_pointer));
    output.result(writer.field("last_transaction", to_hex(summary.last_transaction)).end_object());
    output.say(fmt::format("first pointer {}", to_hex(summary.first_pointer)));
    if (!summary.last_transaction.empty())
      output.say(fmt::format("last transaction {}", to_hex(summary.last_transaction)));
  }
  output.say(fmt::format("{} resources: {} anchored, {} already anchored, {} refused, in {} ({}/s)",
                         format_count(summary.resources), format_count(summary.anchored),
                         format_count(summary.already_anchored), format_count(summary.refused),
                         format_duration(progress.elapsed_ms()), format_count(progress.rate(summary.resources))));
  print_remarks(output, summary);
  if (summary.lossy_numbers != 0)
    output.say(fmt::format("{} numbers came out with other digits; this member has noted it",
                           format_count(summary.lossy_numbers)));
  output.result(summary_json(summary).field("lossy_numbers", summary.lossy_numbers).end_object());
}

/// Parses and counts; what would be refused by the node is not known.
Result<int> dry_run(Context& context, const Options& options, const Method& method) {
  ImportSummary summary;
  for (const auto& path : options.files) {
    auto file = FhirFile::load(path, options.system);
    summary.resources += file.resource_count();
    summary.skipped += file.skipped_count();
    for (const auto& resource : file.resources()) {
      summary.elsewhere += resource.subject.elsewhere;
      auto fits = check_resource(file, resource, method);
      if (fits) continue;
      ++summary.refused;
      summary.refusals.push_back(
          {path, resource.entry, std::string(to_reason(fits.error().code)), fits.error().message});
    }
    if (file.problems().empty()) continue;
    summary.refused += file.resource_count();
    for (const auto& problem : file.problems())
      summary.refusals.push_back(
          {path, problem.entry, std::string(to_reason(problem.error.code)), problem.error.message});
  }
  print_refusals(context.output, summary);
  context.output.say(fmt::format("{} resources, {} of them would be refused; nothing was sent",
                                 format_count(summary.resources), format_count(summary.refused)));
  print_remarks(context.output, summary);
  context.output.result(summary_json(summary).end_object());
  return summary.refused == 0 ? kExitOk : kExitError;
}

/// A key or a name is one patient's: given to several, it would open the records of all of them.
Status check_one_patient(const Options& options) {
  if (options.subject_key.empty() && options.subject_name.empty()) return {};
  std::set<std::string> patients;
  for (const auto& path : options.files) {
    const auto file = FhirFile::load(path, options.system);
    for (const auto& resource : file.resources())
      if (resource.subject.patient) patients.insert(*resource.subject.patient);
  }
  if (patients.size() <= 1) return {};
  return make_error(
      ErrorCode::INVALID_ARGUMENT,
      fmt::format("{} is of one patient, and these files are about {}: Patient/{}, Patient/{}{}; import each patient's "
                  "files alone, or without it",
                  options.subject_key.empty() ? "--subject-name" : "--subject-key", patients.size(), *patients.begin(),
                  *std::next(patients.begin()), patients.size() > 2 ? ", …" : ""));
}

Result<int> import(Context& context, const Options& options) {
  GALEN_ASSIGN(auto method, parse_method(*options.method));
  if (!is_utf8(options.system)) return make_error(ErrorCode::INVALID_ARGUMENT, "--system is not UTF-8");
  GALEN_TRY(check_one_patient(options));
  if (options.dry_run) return dry_run(context, options, method);
  if (!options.subject_name.empty()) GALEN_TRY(check_patient_name(context, options.subject_name, false));
  ImportOptions import_options;
  import_options.system = options.system;
  import_options.method = method;
  import_options.batch_items = options.batch;
  import_options.retry_for_ms = static_cast<std::uint64_t>(options.retry_for_s * 1000);
  if (!options.subject_key.empty()) {
    GALEN_ASSIGN(auto suite, context.suite());
    GALEN_ASSIGN(auto key, crypto::PrivateKey::load(suite, options.subject_key));
    import_options.patient_key = to_bytes(key.public_key());
  }
  std::string waiting_for;
  import_options.on_wait = [&](const Error& error) {
    if (error.message != waiting_for) context.output.note(fmt::format("waiting, and trying again: {}", error.message));
    waiting_for = error.message;
  };
  GALEN_ASSIGN(auto client, context.connect());
  std::uint64_t bytes_total = 0, bytes_read = 0;
  for (const auto& path : options.files) bytes_total += file_size(path);
  Progress progress(context.output, bytes_total);
  Importer importer(client, import_options, [&](const ImportSummary& summary) { progress.show(summary); });
  auto all = [&]() -> Status {
    for (const auto& path : options.files) {
      auto file = std::make_shared<FhirFile>(FhirFile::load(path, options.system));
      progress.set_bytes_read(bytes_read += file->byte_count());
      GALEN_TRY(importer.add(path, file));
    }
    return importer.finish();
  }();
  if (!all) importer.give_up(all.error());
  context.output.status_line("");
  const auto& summary = importer.summary();
  print_result(context, summary, progress, !all.has_value());
  if (!options.subject_name.empty()) {
    if (summary.patients.size() == 1)
      GALEN_TRY(keep_patient(context, options.subject_name, summary.patients.begin()->second, options.subject_key));
    else
      context.output.note(fmt::format("the name {} is not kept: {} patients were met, and it is of one",
                                      options.subject_name,
                                      summary.patients.empty() ? "no" : format_count(summary.patients.size())));
  }
  if (!all) return context.output.fail(all.error());
  return summary.refused == 0 ? kExitOk : kExitError;
}

}  // namespace

void add_record_import(CLI::App& app, Context& context) {
  auto options = std::make_shared<Options>();
  auto* verb = add_verb(app, "record", "import", "Anchor FHIR resources and Bundles; repeating it adds nothing");
  verb->add_option("FILE", options->files, "FHIR JSON files")->required();
  verb->add_option("--system", options->system,
                   "Name of the source system in source ids; as a URL also the base of references to its patients");
  verb->add_option("--subject-key", options->subject_key,
                   "The one patient of these files, if she is registered now, gets this key's public half");
  verb->add_option("--subject-name", options->subject_name,
                   "Keep the one patient's pseudonym under this name below --dir");
  verb->add_option("--batch", options->batch, "Resources in one transaction, 1 to 1,000 (default 100)")
      ->check(CLI::Range(1, 1000));
  verb->add_option("--retry-for", options->retry_for_s,
                   "Seconds to go on while the node gives no answer (default 120)")
      ->check(seconds_from(0));
  add_method_options(verb, options->method);
  verb->add_flag("--dry-run", options->dry_run, "Parse and count only");
  verb->callback([&context, options] { context.action = [&context, options] { return import(context, *options); }; });
}

}  // namespace galen::galenctl
