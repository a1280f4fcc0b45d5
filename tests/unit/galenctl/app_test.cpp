// The grammar from outside: exit codes, where errors go, what --json changes, completions.
#include "galenctl/app.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <set>
#include <sstream>
#include <thread>

#include "galen/types/json.hpp"
#include "galenctl/arguments.hpp"
#include "galenctl/files.hpp"
#include "galenctl/output.hpp"
#include "temp_dir.hpp"

namespace galen::galenctl {
namespace {

struct Ran {
  int code;
  std::string out, err;
};
Ran run_with(const std::vector<std::string>& arguments) {
  std::ostringstream out, err;
  int code = run(arguments, out, err, false);
  return {code, out.str(), err.str()};
}

class AppTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"GALEN_DIR", "GALEN_ENDPOINT", "GALEN_CA", "GALEN_CERT", "GALEN_KEY"}) ::unsetenv(name);
  }
};

TEST_F(AppTest, UsageIsTwo) {
  for (const auto& words : std::vector<std::vector<std::string>>{{},
                                                                 {"fly"},
                                                                 {"node"},
                                                                 {"node", "fly"},
                                                                 {"node", "status", "--colour"},
                                                                 {"record", "import"},
                                                                 {"node", "status"},
                                                                 {"consent", "grant", "--patient", "x"},
                                                                 {"completion", "csh"},
                                                                 {"--timeout", "soon", "node", "status"},
                                                                 {"--timeout", "nan", "node", "status"},
                                                                 {"record", "import", "x", "--retry-for", "-5"},
                                                                 {"record", "import", "x", "--retry-for", "nan"},
                                                                 {"record", "import", "x", "--batch", "1001"},
                                                                 {"record", "canonical", "x", "--entry", "-1"},
                                                                 {"events", "--count", "-1"},
                                                                 {"record", "get", "--endpoint", "localhost:1"}}) {
    auto plain = run_with(words);
    EXPECT_EQ(plain.code, kExitUsage) << testing::PrintToString(words);
    EXPECT_EQ(plain.out, "");
    EXPECT_NE(plain.err, "");
    auto with_json = words;
    with_json.push_back("--json");
    auto json = run_with(with_json);
    EXPECT_EQ(json.code, kExitUsage) << testing::PrintToString(words);
    auto document = JsonDocument::parse(json.err.substr(0, json.err.find('\n')));
    ASSERT_TRUE(document) << json.err;
    auto error = document->root().find("error");
    ASSERT_TRUE(error) << json.err;
    EXPECT_TRUE(error->find_text("reason") && error->find_text("message") && error->find_text("advice"));
  }
}

// The parser reads -1 as the largest number there is.
TEST_F(AppTest, ANumberBelowZeroIsRefusedByTheNameOfItsOption) {
  for (const auto& words : std::vector<std::vector<std::string>>{{"tx", "get", "x", "--min-height", "-1"},
                                                                 {"ledger", "block", "--height", "-1"},
                                                                 {"receipt", "get", "x", "--operation", "-1"},
                                                                 {"receipt", "get", "x", "--at", "-1"},
                                                                 {"evidence", "export", "--operation", "-1"}}) {
    auto done = run_with(words);
    EXPECT_EQ(done.code, kExitUsage);
    EXPECT_NE(done.err.find(words[words.size() - 2] + ": "), std::string::npos) << done.err;
  }
}

// A script's unset variable must not widen what is asked for.
TEST_F(AppTest, AnEmptyValueIsNoAbsentOption) {
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"consent", "grant", "--patient", "p", "--to", "B", "--purpose", "TREAT", "--until", ""},
           {"record", "anchor", "f", "--subject", ""},
           {"access", "list", "--patient", ""},
           {"--dir", "", "node", "status"},
           {"events", "--subject", ""},
           {"record", "import", ""}}) {
    auto done = run_with(words);
    EXPECT_EQ(done.code, kExitUsage) << testing::PrintToString(words);
    EXPECT_NE(done.err.find("is given without a value"), std::string::npos) << done.err;
  }
  EXPECT_EQ(run_with({"events", "--from", ""}).err.find("without a value"), std::string::npos);
}

TEST_F(AppTest, AnUnknownWordIsToldTheNearestOne) {
  auto noun = run_with({"recrod", "get"}).err;
  EXPECT_NE(noun.find("galenctl has no noun \"recrod\"; did you mean \"record\"?"), std::string::npos) << noun;
  EXPECT_NE(noun.find("INVALID_ARGUMENT"), std::string::npos) << noun;
  EXPECT_NE(noun.find("access, "), std::string::npos) << "all that there are: " << noun;
  EXPECT_NE(noun.find("galenctl --help"), std::string::npos) << noun;
  auto bogus = run_with({"bogus"}).err;
  EXPECT_NE(bogus.find("has no noun \"bogus\""), std::string::npos) << bogus;
  auto verb = run_with({"--node", "B", "record", "improt", "x.json"}).err;
  EXPECT_NE(verb.find("galenctl record has no verb \"improt\"; did you mean \"import\"?"), std::string::npos) << verb;
  EXPECT_NE(verb.find("galenctl record --help"), std::string::npos) << verb;
  auto none = run_with({"record"}).err;
  EXPECT_NE(none.find("galenctl record needs a verb. It has: "), std::string::npos) << none;
  auto option = run_with({"node", "status", "--colour"}).err;
  EXPECT_NE(option.find("--colour"), std::string::npos) << option;
}

TEST_F(AppTest, HelpIsFine) {
  auto help = run_with({"--help"});
  EXPECT_EQ(help.code, kExitOk);
  EXPECT_NE(help.out.find("record"), std::string::npos);
  // As docs/operations.md has it.
  for (const char* word : {"PERMIT", "2 usage", "DENY, DIVERGED", "REJECTED, EXPIRED", "UNKNOWN"})
    EXPECT_NE(help.out.find(word), std::string::npos) << word << ": " << help.out;
  EXPECT_EQ(run_with({"record", "import", "--help"}).code, kExitOk);
}

TEST_F(AppTest, NobodyAtTheAddressIsWaiting) {
  TempDir dir;
  auto pem = *read_text_file(GALEN_SOURCE_DIR "/tests/golden/member-0.ca.pem");
  auto ca = dir.write("ca.pem", pem), cert = dir.write("c.pem", pem), key = dir.write("k.pem", "x");
  std::filesystem::permissions(key, std::filesystem::perms::owner_read);
  auto words = std::vector<std::string>{"whoami", "--endpoint", "127.0.0.1:1", "--ca",      ca,   "--cert",
                                        cert,     "--key",      key,           "--timeout", "0.2"};
  EXPECT_EQ(run_with(words).code, kExitWaiting);
  std::filesystem::permissions(key, std::filesystem::perms::all);
  auto refused = run_with(words);
  EXPECT_EQ(refused.code, kExitRefused);
  EXPECT_NE(refused.err.find("KEY_FILE_READABLE"), std::string::npos);
  dir.write("c.pem", "x");
  auto broken = run_with(words);
  EXPECT_EQ(broken.code, kExitError) << "no waiting cures what is no certificate";
  EXPECT_NE(broken.err.find("c.pem begins with no PEM certificate [CONFIG_INVALID]"), std::string::npos) << broken.err;
}

// Names come from anywhere; what is printed is UTF-8, steers no terminal, and is JSON where JSON is asked for.
TEST_F(AppTest, NamesThatAreNoTextAreStillToldWell) {
  auto plain = run_with({"record", "canonical", "/none/\xff\x1b[2J"});
  EXPECT_EQ(plain.code, kExitError);
  EXPECT_NE(plain.err.find("cannot open /none/\xef\xbf\xbd\xef\xbf\xbd[2J: "), std::string::npos) << plain.err;
  EXPECT_EQ(plain.err.find("start the node"), std::string::npos) << "it is no file of a node: " << plain.err;
  auto json = run_with({"--json", "record", "canonical", "/none/\xff\x1b[2J"});
  EXPECT_TRUE(JsonDocument::parse(json.err)) << json.err;
  EXPECT_EQ(run_with({"record", "get", "--source", "Observation/\xff"}).code, kExitUsage);
  EXPECT_EQ(printable("a\nb\tc\x7f\xc2\x9b\xc3\xa9\xe2\x80"), "a\nb\uFFFDc\uFFFD\uFFFD\u00e9\uFFFD\uFFFD");
}

TEST_F(AppTest, ABundleIsToldHowToNameOneEntry) {
  TempDir dir;
  const std::string one = R"({"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Basic","id":"1"}}]})";
  auto path = dir.write("b.json", one);
  for (const char* verb : {"verify", "anchor"}) {
    auto ran = run_with({"record", verb, path});
    EXPECT_EQ(ran.code, kExitUsage);
    EXPECT_NE(ran.err.find("it is a Bundle: --entry N takes one of its entries (1,"), std::string::npos) << ran.err;
  }
  // As a whole it is one document, with one entry as with many.
  EXPECT_EQ(run_with({"record", "canonical", "--method", "raw", path}).out, one);
  EXPECT_EQ(run_with({"record", "canonical", path}).out,
            R"({"entry":[{"resource":{"id":"1","resourceType":"Basic"}}],"resourceType":"Bundle"})");
}

// Who asks galenctl is told what galen-verify tells: the verdict, its part, and 1 for whatever the file fails by.
TEST_F(AppTest, AnEvidenceFileThatFailsIsAnAnswer) {
  TempDir dir;
  const std::string genesis = GALEN_SOURCE_DIR "/tests/golden/genesis.json";
  const auto proof = GALEN_SOURCE_DIR "/tests/golden/proof_state_present.galen";
  const auto good = *read_text_file(proof);
  auto changed = good;
  changed.back() ^= 1;
  std::set<std::string> reasons;
  const auto huge = dir.write("huge", good);
  std::filesystem::resize_file(huge, std::uintmax_t{1} << 30);
  for (const auto& path : {dir.write("changed", changed), dir.write("cut", good.substr(0, 100)), dir.write("empty", ""),
                           huge, dir.path() + "/none", dir.path()}) {
    auto json = run_with({"--json", "state", "verify", path, "--genesis", genesis});
    EXPECT_EQ(json.code, kExitError) << path;
    EXPECT_EQ(json.err, "") << path;
    auto document = JsonDocument::parse(json.out);
    ASSERT_TRUE(document) << json.out;
    ASSERT_TRUE(document->root().find("valid")) << json.out;
    EXPECT_EQ(document->root().find("valid")->raw(), "false");
    auto error = document->root().find("error");
    ASSERT_TRUE(error) << json.out;
    EXPECT_NE(error->find_text("part").value_or(""), "") << json.out;
    if (path != dir.path() + "/changed") {
      EXPECT_EQ(error->find_text("part"), "file") << json.out;
    }
    EXPECT_EQ(error->find_text("advice").value_or("").find("validate_only"), std::string::npos) << json.out;
    const auto reason = error->find_text("reason").value_or("");
    reasons.insert(reason);
    auto plain = run_with({"state", "verify", path, "--genesis", genesis});
    EXPECT_EQ(plain.code, kExitError);
    EXPECT_EQ(plain.out, "");
    EXPECT_EQ(plain.err, "NOT VALID: " + error->find_text("message").value_or("") + " [" + reason + "]\n");
  }
  EXPECT_TRUE(reasons.contains("IO_ERROR") && reasons.contains("TOO_LARGE")) << testing::PrintToString(reasons);
  EXPECT_EQ(run_with({"state", "verify", proof}).code, kExitUsage) << "without genesis.json it says nothing";
}

// The patient would be registered, and her pseudonym known to nobody.
TEST_F(AppTest, APatientsNameIsCheckedBeforeSheIsRegistered) {
  TempDir dir;
  std::filesystem::create_directory(dir.path() + "/patients");
  dir.write("patients/anna.json", "{}");
  for (const char* name : {"../x", ".x", "a\nb", "\xff"})
    EXPECT_NE(run_with({"patient", "register", "--name", name, "--dir", dir.path()}).err.find("does not do as"),
              std::string::npos)
        << name;
  auto taken = run_with({"patient", "register", "--name", "anna", "--dir", dir.path()});
  EXPECT_NE(taken.err.find("ALREADY_EXISTS"), std::string::npos) << taken.err;
}

TEST_F(AppTest, DryRunEndsWithTheSummary) {
  TempDir dir;
  auto good = dir.write("good.json", R"({"resourceType":"Basic","id":"1"})");
  auto bad = dir.write("bad.json", R"({"resourceType":"Basic","id":"1","id":"2"})");
  auto fine = run_with({"record", "import", "--dry-run", "--json", good});
  EXPECT_EQ(fine.code, kExitOk);
  EXPECT_EQ(fine.out,
            "{\"resources\":1,\"anchored\":0,\"already_anchored\":0,\"refused\":0,\"skipped\":0,\"elsewhere\":0}\n");
  auto mixed = run_with({"--json", "record", "import", "--dry-run", good, bad});
  EXPECT_EQ(mixed.code, kExitError);
  EXPECT_NE(mixed.out.find("JSON_DUPLICATE_KEY"), std::string::npos);
  EXPECT_TRUE(mixed.out.ends_with(
      "{\"resources\":2,\"anchored\":0,\"already_anchored\":0,\"refused\":1,\"skipped\":0,\"elsewhere\":0}\n"));
}

TEST_F(AppTest, EntriesWithoutAResourceAreSkippedAndCounted) {
  TempDir dir;
  auto path = dir.write("t.json", R"({"resourceType":"Bundle","type":"transaction","entry":[
    {"resource":{"resourceType":"Basic","id":"1"}},{"request":{"method":"DELETE","url":"Basic/2"}}]})");
  auto json = run_with({"record", "import", "--dry-run", "--json", path});
  EXPECT_EQ(json.code, kExitOk) << json.out;
  EXPECT_EQ(json.out,
            "{\"resources\":1,\"anchored\":0,\"already_anchored\":0,\"refused\":0,\"skipped\":1,\"elsewhere\":0}\n");
  auto plain = run_with({"record", "import", "--dry-run", path});
  EXPECT_NE(plain.out.find("1 entries were skipped"), std::string::npos) << plain.out;
  auto named = run_with({"record", "canonical", "--entry", "1", path});
  EXPECT_NE(named.err.find("entry 1 of "), std::string::npos) << named.err;
}

TEST_F(AppTest, CanonicalBytesNeedNoNode) {
  TempDir dir;
  auto plain = dir.write("plain.json", R"( {"resourceType":"Basic", "id":"1", "meta":{"versionId":"7"}, "n":1E30} )");
  auto places =
      dir.write("places.json", R"({"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Basic","id":"1"}},
    {"resource":{"resourceType":"Observation","id":"2","value":1.50}}]})");
  auto bytes = run_with({"record", "canonical", plain});
  EXPECT_EQ(bytes.code, kExitOk) << bytes.err;
  EXPECT_EQ(bytes.out, R"({"id":"1","n":1e+30,"resourceType":"Basic"})");
  auto whole = run_with({"record", "canonical", "--whole", plain});
  EXPECT_EQ(whole.out, R"({"id":"1","meta":{"versionId":"7"},"n":1e+30,"resourceType":"Basic"})");
  auto raw = run_with({"record", "canonical", "--method", "raw", "--entry", "0", places});
  EXPECT_EQ(raw.out, R"({"resourceType":"Basic","id":"1"})");
  auto strict = run_with({"record", "canonical", "--entry", "1", places});
  EXPECT_EQ(strict.code, kExitError);
  EXPECT_EQ(strict.out, "");
  EXPECT_NE(strict.err.find("$.entry[1].resource.value: "), std::string::npos) << strict.err;
  EXPECT_NE(strict.err.find("[JSON_NUMBER_INEXACT]"), std::string::npos) << strict.err;
  auto lossy = run_with({"--json", "record", "canonical", "--lossy", "--entry", "1", places});
  EXPECT_EQ(lossy.code, kExitOk);
  auto document = JsonDocument::parse(lossy.out);
  ASSERT_TRUE(document) << lossy.out;
  EXPECT_EQ(document->root().find("lossy_numbers")->unsigned_number(), 1u);
  EXPECT_EQ(document->root().find("lossy_paths")->children().at(0).text(), "$.entry[1].resource.value");
  EXPECT_EQ(run_with({"record", "canonical", "--method", "raw", "--lossy", plain}).code, kExitUsage);
  EXPECT_EQ(run_with({"record", "canonical", "--method", "sorted", plain}).code, kExitUsage);
}

// A pipe gives its bytes only once: SHA-256 of nothing would stand there without a word.
TEST_F(AppTest, ADocumentMayComeThroughAPipe) {
  TempDir dir;
  auto file = dir.write("report.pdf", "%PDF-1.7 report"), pipe = dir.path() + "/pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::thread writer([&] { std::ofstream(pipe, std::ios::binary) << "%PDF-1.7 report"; });
  auto piped = run_with({"record", "canonical", "--method", "raw", pipe});
  writer.join();
  EXPECT_EQ(piped.code, kExitOk) << piped.err;
  EXPECT_EQ(piped.out, "%PDF-1.7 report");
  EXPECT_EQ(run_with({"record", "canonical", "--method", "raw", file}).out, piped.out);
  auto missing = run_with({"record", "canonical", "--method", "raw", dir.path() + "/none", "--entry", "1"});
  EXPECT_EQ(missing.code, kExitError);
  EXPECT_NE(missing.err.find("IO_ERROR"), std::string::npos) << missing.err;
}

TEST_F(AppTest, WhatCannotBeWrittenIsNotFine) {
  std::ostream full(nullptr);
  std::ostringstream err;
  EXPECT_EQ(run({"completion", "bash"}, full, err, false), kExitError);
  EXPECT_NE(err.str().find("IO_ERROR"), std::string::npos) << err.str();
}

TEST_F(AppTest, CompletionsKnowEveryNounAndVerb) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    auto text = run_with({"completion", shell}).out;
    for (const char* word : {"dev", "record", "import", "history", "keygen", "grant", "decide", "receipt", "whoami",
                             "retry-for", "evidence", "export", "prove", "consistency", "member", "propose", "vote",
                             "canonical", "lossy"})
      EXPECT_NE(text.find(word), std::string::npos) << shell << " " << word;
  }
}

// What the bash that is there says to the printed function; `words` end with the one that is being written.
TEST_F(AppTest, BashIsToldWhatMayComeNext) {
  TempDir dir;
  const auto script = dir.write("galenctl.bash", run_with({"completion", "bash"}).out);
  auto offered = [&](const std::string& words) {
    // The last word may be empty: it is given apart.
    const auto space = words.rfind(' ');
    const auto command = "bash -c 'source \"$0\" && COMP_WORDS=(galenctl " + words.substr(0, space + 1) + "\"" +
                         words.substr(space + 1) +
                         "\") && COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) && { _galenctl; echo \"${COMPREPLY[*]}\"; }' " +
                         script + " 2>&1";
    std::string out;
    auto* pipe = ::popen(command.c_str(), "r");
    for (int c = 0; (c = ::fgetc(pipe)) != EOF;) out.push_back(static_cast<char>(c));
    EXPECT_EQ(::pclose(pipe), 0) << words << ": " << out;
    return out.substr(0, out.find('\n'));
  };
  const std::pair<const char*, const char*> cases[] = {
      {"mem", "member"},
      {"--node B mem", "member"},
      {"--json mem", "member"},
      {"member prop", "proposals propose"},
      {"member propose ", "add promote remove rotate-key pin-ca"},
      {"member propose a", "add"},
      {"member propose add --pa", "--paper"},
      {"member propose add --dry-run --pa", "--paper"},
      {"member propose add --paper x --tls", "--tls-ca"},
      {"member propose add ", ""},
      {"record verify f --poi", "--pointer"},
      {"record verify ", ""},
      {"record canonical --method ", "raw jcs"},
      {"record canonical --method j", "jcs"},
      {"record canonical --method = j", "jcs"},
      {"record canonical --whole f --ha", "--hash"},
      {"record status e", "entered-in-error"},
      {"record anchor f --class ", "N R V"},
      {"record get --source --jso", ""},
      {"record get --source x --jso", "--json"},
      {"completion ", "bash zsh fish"},
      {"events --type record", "record_anchored record_status_set"},
      {"consent grant --pat", "--patient"},
      {"ledger verify --qu", "--quick"},
      {"ledger verify --quick --jo", "--jobs"},
      {"patient keygen -o f --su", "--suite"},
  };
  for (const auto& [words, expected] : cases) EXPECT_EQ(offered(words), expected) << words;
}

TEST_F(AppTest, FishKnowsAVerbByItsNoun) {
  const auto text = run_with({"completion", "fish"}).out;
  auto line_of = [&](const std::string& noun, const std::string& verb, const std::string& option) {
    const auto begin = "complete -c galenctl -n '__fish_seen_subcommand_from " + noun +
                       "; and __fish_seen_subcommand_from " + verb + "' -l " + option + " ";
    auto at = text.find(begin);
    return at == std::string::npos ? "" : text.substr(at + begin.size(), text.find('\n', at) - at - begin.size());
  };
  EXPECT_TRUE(line_of("record", "canonical", "method").starts_with("-x -a 'raw jcs' -d ")) << text;
  EXPECT_TRUE(line_of("ledger", "verify", "data").starts_with("-r -d ")) << text;
  EXPECT_TRUE(line_of("ledger", "verify", "quick").starts_with("-d ")) << text;
  EXPECT_EQ(line_of("record", "verify", "quick"), "") << "that is an option of ledger verify";
  EXPECT_NE(text.find("and __fish_seen_subcommand_from propose' -f -a 'add promote remove rotate-key pin-ca'"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("-n '__fish_seen_subcommand_from completion' -f -a 'bash zsh fish'"), std::string::npos) << text;
}

TEST_F(AppTest, LedgerVerifyTakesWhatGalendVerifyTakes) {
  TempDir dir;
  auto ran = run_with({"ledger", "verify", "--data", dir.path(), "--genesis", "g", "--quick", "--from", "3", "--jobs", "2",
                       "--bin-dir", dir.path()});
  EXPECT_EQ(ran.code, kExitError) << ran.err;
  EXPECT_NE(ran.err.find("galend"), std::string::npos) << ran.err;
}

TEST_F(AppTest, KeysAreMadeOnceAndPrivate) {
  TempDir dir;
  auto path = dir.path() + "/jane.pem";
  EXPECT_EQ(run_with({"patient", "keygen", "--out", path}).code, kExitOk);
  EXPECT_EQ(std::filesystem::status(path).permissions() & std::filesystem::perms::all,
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  EXPECT_EQ(run_with({"patient", "keygen", "--out", path}).code, kExitError);
}

TEST_F(AppTest, DevUpRefusesTooFewNodesBeforeItMakesAnything) {
  TempDir dir;
  auto ran = run_with({"dev", "up", "--nodes", "3", "--dir", dir.path() + "/d", "--bin-dir", dir.path()});
  EXPECT_NE(ran.code, kExitOk);
  EXPECT_FALSE(std::filesystem::exists(dir.path() + "/d/genesis.json"));
  EXPECT_EQ(run_with({"dev", "status", "--dir", dir.path() + "/d"}).code, kExitError);
}

TEST(OutputTest, JsonIsEscaped) {
  JsonWriter writer;
  writer.begin_object()
      .field("a\"b", "line\n\\")
      .key("n")
      .begin_array()
      .value(std::uint64_t{1})
      .value(true)
      .begin_object();
  writer.end_object().end_array().field("z", false).end_object();
  EXPECT_EQ(writer.text(), "{\"a\\\"b\":\"line\\u000a\\\\\",\"n\":[1,true,{}],\"z\":false}");
}

TEST(OutputTest, NumbersAndTimesReadWell) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1204551), "1,204,551");
  EXPECT_EQ(format_duration(400), "0.4 s");
  EXPECT_EQ(format_duration(182'000), "3 min 2 s");
  EXPECT_EQ(format_time(1'700'000'000'000), "2023-11-14T22:13:20Z");
  EXPECT_EQ(format_table({{"A", "LONG"}, {"wide cell", ""}}), "A          LONG\nwide cell");
}

TEST(ArgumentsTest, TimesAndSpans) {
  EXPECT_EQ(*parse_time("--until", "24h", 1000), 86'401'000u);
  EXPECT_EQ(*parse_time("--until", "2023-11-14T22:13:20Z", 0), 1'700'000'000'000u);
  EXPECT_EQ(*parse_time("--until", "2023-11-14", 0), 1'699'920'000'000u);
  for (const char* text : {"", "h", "24", "-1h", "24x", "tomorrow", "2023-13-01", "99999999999999999999h",
                           "2027-02-31", "2027-02-29", "2027-04-31T12:00:00Z", "2027-01-31T12:00:60Z", "2027-01-00"})
    EXPECT_FALSE(parse_time("--until", text, 0)) << text;
  EXPECT_TRUE(parse_time("--until", "2028-02-29", 0));
}

// With too early a moment a node would call EXPIRED what may still be ordered.
TEST(ArgumentsTest, AMomentIsNoSpanAndNeverTooEarly) {
  EXPECT_EQ(*parse_moment("--valid-until", "1700000000250"), 1'700'000'000'250u);
  EXPECT_EQ(*parse_moment("--valid-until", "2023-11-14T22:13:20.250Z"), 1'700'000'000'250u);
  EXPECT_EQ(*parse_moment("--valid-until", "2023-11-14T22:13:20Z"), 1'700'000'000'999u) << "the end of that second";
  for (const char* text : {"", "2m", "24h", "1700000000", "2023-11-14", "2023-02-30T12:00:00Z", "2023-11-14T22:13:20.25Z",
                           "2023-11-14T22:13:20.2x0Z", "2023-11-14T22:13:20.250", ".250Z", "99999999999999999999"})
    EXPECT_FALSE(parse_moment("--valid-until", text)) << text;
}

TEST(ArgumentsTest, PurposesAndIds) {
  EXPECT_EQ(purposes_text(*parse_purposes("TREAT,HPAYMT")), "HPAYMT,TREAT");
  for (const char* text : {"", "TREAT,", "treat", "NOPE"}) EXPECT_FALSE(parse_purposes(text)) << text;
  EXPECT_NE(parse_purpose("treat").error().message.find("did you mean TREAT?"), std::string::npos);
  EXPECT_NE(parse_purpose("CURIOSITY").error().message.find("e.g. TREAT"), std::string::npos);
  EXPECT_TRUE(parse_request_id("--request-id", "123e4567-e89b-42d3-a456-426614174000"));
  EXPECT_FALSE(parse_request_id("--request-id", "123e"));
  EXPECT_FALSE(parse_id("--tx", std::string(63, 'a')));
  EXPECT_TRUE(parse_id("--tx", std::string(64, 'A')));
  EXPECT_EQ(parse_source("s", "Observation/a/b")->id(), "a/b");
  EXPECT_FALSE(parse_source("s", "Observation/"));
}

}  // namespace
}  // namespace galen::galenctl
