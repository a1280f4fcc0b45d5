#include "galen/types/wire_scan.hpp"

#include <gtest/gtest.h>

#include "galen/base/rng.hpp"
#include "galen/types/limits.hpp"
#include "unit/types/sample_chain.hpp"

namespace galen {
namespace {

using test::sample_chain;

Bytes hex(const std::string& text) {
  std::string digits;
  for (char c : text)
    if (c != ' ') digits += c;
  auto bytes = from_hex(digits);
  EXPECT_TRUE(bytes) << text;
  return bytes.value_or(Bytes{});
}
std::string repeat(std::string_view text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}
/// Field `tag` (one byte) with 32 bytes of `fill`.
std::string id(const std::string& tag, const std::string& fill = "11") { return tag + "20" + repeat(fill, 32); }

const std::string kFormat = "0801", kChain = id("12"), kAuthor = id("1a"), kRequest = "2210" + repeat("44", 16),
                  kUntil = "2807";
const std::string kEnvelope = kFormat + kChain + kAuthor + kRequest + kUntil;
/// RevokeConsent: field 20 of Operation is tag a2 01.
const std::string kRevoke = "a20122" + id("0a");

struct Case {
  const char* name;
  std::string bytes;
  ErrorCode code;
};

void expect_all(const std::vector<Case>& cases, Status (*scan)(ByteSpan)) {
  for (const auto& c : cases) {
    auto status = scan(hex(c.bytes));
    if (c.code == ErrorCode::OK) {
      EXPECT_TRUE(status) << c.name << ": " << (status ? "" : status.error().message);
    } else {
      ASSERT_FALSE(status) << c.name;
      EXPECT_EQ(status.error().code, c.code) << c.name << ": " << status.error().message;
      EXPECT_FALSE(status.error().message.empty());
    }
  }
}

TEST(WireScanTest, Envelope) {
  using enum ErrorCode;
  expect_all(
      {
          {"good", kEnvelope, OK},
          {"greatest valid_until", kFormat + kChain + kAuthor + kRequest + "28ffffffffffffffffff01", OK},
          {"request_id left out: decode refuses it", kFormat + kChain + kAuthor + kUntil, OK},
          {"empty", "", MALFORMED},
          {"no format", kChain + kAuthor + kRequest + kUntil, MALFORMED},
          {"no chain", kFormat + kAuthor + kRequest + kUntil, MALFORMED},
          {"no author", kFormat + kChain + kRequest + kUntil, MALFORMED},
          {"no valid_until", kFormat + kChain + kAuthor + kRequest, MALFORMED},
          {"default format", "0800" + kChain + kAuthor + kRequest + kUntil, MALFORMED},
          {"default valid_until", kFormat + kChain + kAuthor + kRequest + "2800", MALFORMED},
          {"empty request_id", kFormat + kChain + kAuthor + "2200" + kUntil, MALFORMED},
          {"format beyond u32", "088080808010" + kChain + kAuthor + kRequest + kUntil, MALFORMED},
          {"descending", kChain + kFormat + kAuthor + kRequest + kUntil, MALFORMED},
          {"twice", kFormat + kFormat + kChain + kAuthor + kRequest + kUntil, MALFORMED},
          {"twice at the end", kEnvelope + kUntil, MALFORMED},
          {"unknown field", kEnvelope + "3001", UNKNOWN_FIELD},
          {"unknown field first", "7801" + kEnvelope, UNKNOWN_FIELD},
          {"field number 0", "0001" + kEnvelope, MALFORMED},
          {"group", kEnvelope + "2b2c", MALFORMED},
          {"wire type 32 bit", kFormat + kChain + kAuthor + kRequest + "2d01000000", MALFORMED},
          {"wire type 6", "0e", MALFORMED},
          {"varint of two bytes for 1", "088100" + kChain + kAuthor + kRequest + kUntil, MALFORMED},
          {"tag of two bytes", "880001" + kChain + kAuthor + kRequest + kUntil, MALFORMED},
          {"length of two bytes", kFormat + "12a000" + repeat("11", 32) + kAuthor + kRequest + kUntil, MALFORMED},
          {"varint of eleven bytes", kFormat + kChain + kAuthor + kRequest + "28ffffffffffffffffffff01", MALFORMED},
          {"varint beyond 64 bits", kFormat + kChain + kAuthor + kRequest + "28ffffffffffffffffff02", MALFORMED},
          {"tag beyond 32 bits", "888080808001" + kEnvelope, MALFORMED},
          {"chain of 31 bytes", kFormat + "121f" + repeat("11", 31) + kAuthor + kRequest + kUntil, MALFORMED},
          {"chain of 33 bytes", kFormat + "1221" + repeat("11", 33) + kAuthor + kRequest + kUntil, MALFORMED},
          {"request_id of 64 bytes", kFormat + kChain + kAuthor + "2240" + repeat("11", 64) + kUntil, OK},
          {"request_id of 65 bytes", kFormat + kChain + kAuthor + "2241" + repeat("11", 65) + kUntil, TOO_LARGE},
          {"length past the end", kFormat + "1220" + repeat("11", 31), MALFORMED},
          {"length of 2^63", kFormat + "12ffffffffffffffff7f", MALFORMED},
          {"longer than the limit", repeat("00", limits::kEnvelopeBytesMax + 1), TOO_LARGE},
      },
      scan_envelope);
}

TEST(WireScanTest, Operations) {
  using enum ErrorCode;
  const std::string anchor = id("0a") + id("12") + id("22") + "2801" + "3801" + "4001" + "4801";
  const std::string full = id("0a") + id("12") + id("1a") + id("22") + "2801" + id("32") + "3803" + "4003" + "4803";
  const std::string grant = id("0a") + id("12") + id("1a") + "210100000000000000";
  auto operation = [](const std::string& tag, const std::string& body) {
    auto size = body.size() / 2;
    return tag +
           (size < 128
                ? to_hex(Bytes{static_cast<std::uint8_t>(size)})
                : to_hex(Bytes{static_cast<std::uint8_t>(size % 128 + 128), static_cast<std::uint8_t>(size / 128)})) +
           body;
  };
  expect_all(
      {
          {"revoke", kRevoke, OK},
          {"register without key", operation("8201", id("0a") + "1003"), OK},
          {"register with key", operation("8201", id("0a") + "1004" + "1a41" + repeat("04", 65)), OK},
          {"register, key of 64", operation("8201", id("0a") + "1004" + "1a40" + repeat("04", 64)), MALFORMED},
          {"register, key of 66", operation("8201", id("0a") + "1004" + "1a42" + repeat("04", 66)), MALFORMED},
          {"register, empty key", operation("8201", id("0a") + "1004" + "1a00"), MALFORMED},
          {"register, unknown kind", operation("8201", id("0a") + "1005"), MALFORMED},
          {"register, negative kind", operation("8201", id("0a") + "10ffffffffffffffffff01"), MALFORMED},
          {"register, no kind", operation("8201", id("0a")), MALFORMED},
          {"anchor, least", operation("8a01", anchor), OK},
          {"anchor, full", operation("8a01", full), OK},
          {"anchor, no retention", operation("8a01", id("0a") + id("12") + id("22") + "280138014001"), MALFORMED},
          {"anchor, no canon", operation("8a01", id("0a") + id("12") + id("22") + "380140014801"), MALFORMED},
          {"anchor, canon JCS", operation("8a01", id("0a") + id("12") + id("22") + "2802380140014801"), OK},
          {"anchor, canon 3", operation("8a01", id("0a") + id("12") + id("22") + "2803380140014801"), MALFORMED},
          {"anchor, class 4", operation("8a01", id("0a") + id("12") + id("22") + "2801380140044801"), MALFORMED},
          {"anchor, unknown field 10", operation("8a01", anchor + "5001"), UNKNOWN_FIELD},
          {"status", operation("9201", id("0a") + "1003"), OK},
          {"status, successor", operation("9201", id("0a") + "1002" + id("1a")), OK},
          {"grant", operation("9a01", grant), OK},
          {"grant, all", operation("9a01", grant + "2801" + "3002"), OK},
          {"grant, no purpose", operation("9a01", id("0a") + id("12") + id("1a") + "210000000000000000"), MALFORMED},
          {"grant, purposes as a varint", operation("9a01", id("0a") + id("12") + id("1a") + "2001"), MALFORMED},
          {"grant, purposes cut", operation("9a01", id("0a") + id("12") + id("1a") + "2101"), MALFORMED},
          {"decide", operation("aa01", id("0a") + id("12") + "183b"), OK},
          {"decide, record", operation("aa01", id("0a") + id("12") + "183b" + id("22")), OK},
          {"decide, no purpose", operation("aa01", id("0a") + id("12")), MALFORMED},
          {"no kind", "", MALFORMED},
          {"two kinds", kRevoke + operation("aa01", id("0a") + id("12") + "183b"), MALFORMED},
          {"one kind twice", kRevoke + kRevoke, MALFORMED},
          {"unknown kind", "da0100", UNKNOWN_FIELD},
          {"empty body", "a20100", MALFORMED},
          {"bytes behind the body", kRevoke + "00", MALFORMED},
          {"longer than the limit", repeat("00", limits::kOperationBytesMax + 1), TOO_LARGE},
      },
      scan_operation);
}

TEST(WireScanTest, MembershipOperations) {
  using enum ErrorCode;
  auto field = [](const std::string& tag, const std::string& body) {
    const auto size = body.size() / 2;
    const auto length =
        size < 128 ? to_hex(Bytes{static_cast<std::uint8_t>(size)})
                   : to_hex(Bytes{static_cast<std::uint8_t>(size % 128 + 128), static_cast<std::uint8_t>(size / 128)});
    return tag + length + body;
  };
  auto bytes = [](const std::string& tag, std::size_t size) {
    return tag + to_hex(Bytes{static_cast<std::uint8_t>(size)}) + repeat("22", size);
  };
  const std::string member = id("0a"), key = bytes("12", 65);
  const std::string add = member + key + id("1a") + id("22") + bytes("2a", 65) + bytes("32", 4) + bytes("3a", 64);
  // Field 22 of Operation is tag b2 01; fields 16 to 20 of MembersChange are 82 01 to a2 01.
  // 64 bytes of a signature; with its mark, a proposal's value, else a vote's. Fields 1 to 5: epoch to height.
  const std::string vote = field("32", id("0a") + bytes("1a", 64)) + field("3a", id("0a") + bytes("1a", 64));
  const std::string proposal = field("32", id("0a") + bytes("12", 33) + bytes("1a", 64)) +
                               field("3a", id("0a") + bytes("12", 33) + bytes("1a", 64));
  auto report = [&](const std::string& body) { return field("d201", body); };
  auto propose = [&](const std::string& change) { return field("b201", id("0a") + field("12", change)); };
  expect_all(
      {
          {"add", propose(field("8201", add)), OK},
          {"add, name of 128", propose(field("8201", member + key + id("1a") + id("22") + bytes("2a", 65) + "328001" +
                                                         repeat("22", 128) + bytes("3a", 64))),
           OK},
          {"add, name of 129", propose(field("8201", member + key + id("1a") + id("22") + bytes("2a", 65) + "328101" +
                                                         repeat("22", 129) + bytes("3a", 64))),
           TOO_LARGE},
          {"add, key of 64", propose(field("8201", member + bytes("12", 64) + id("1a") + id("22") + bytes("2a", 65) +
                                                       bytes("32", 4) + bytes("3a", 64))),
           MALFORMED},
          {"add, no proof",
           propose(field("8201", member + key + id("1a") + id("22") + bytes("2a", 65) + bytes("32", 4))), MALFORMED},
          {"add, proof of 63", propose(field("8201", member + key + id("1a") + id("22") + bytes("2a", 65) +
                                                         bytes("32", 4) + bytes("3a", 63))),
           MALFORMED},
          {"add, more", propose(field("8201", add + "4001")), UNKNOWN_FIELD},
          {"promote", propose(field("8a01", member)), OK},
          {"remove", propose(field("9201", member)), OK},
          {"remove nobody", propose(field("9201", "")), MALFORMED},
          {"rotate", propose(field("9a01", member + key + bytes("1a", 64))), OK},
          {"rotate without a proof", propose(field("9a01", member + key)), MALFORMED},
          {"pin", propose(field("a201", member + id("12"))), OK},
          {"pin nothing", propose(field("a201", member)), MALFORMED},
          {"two changes", propose(field("8a01", member) + field("9201", member)), MALFORMED},
          {"no change", propose(""), MALFORMED},
          {"change left out", field("b201", id("0a")), MALFORMED},
          {"unknown change", propose(field("aa01", member)), UNKNOWN_FIELD},
          {"proposal without an id", field("b201", field("12", field("8a01", member))), MALFORMED},
          {"approve", field("ba01", id("0a") + "1001"), OK},
          {"reject", field("ba01", id("0a") + "1002"), OK},
          {"vote of another kind", field("ba01", id("0a") + "1003"), MALFORMED},
          {"no vote", field("ba01", id("0a")), MALFORMED},
          {"ready", field("c201", member + "1007" + id("1a") + bytes("22", 64)), OK},
          {"ready at 0", field("c201", member + "1000" + id("1a") + bytes("22", 64)), MALFORMED},
          {"ready without a height", field("c201", member + id("1a") + bytes("22", 64)), MALFORMED},
          {"ready unsigned", field("c201", member + "1007" + id("1a")), MALFORMED},
          {"admin key", field("ca01", bytes("0a", 65) + bytes("12", 64)), OK},
          {"admin key without a proof", field("ca01", bytes("0a", 65)), MALFORMED},
          {"report", report("080110021802200128c801" + vote), OK},
          {"report of a proposal", report("080110021801200128c801" + proposal), OK},
          {"report of no kind", report("08011002180420012801" + vote), MALFORMED},
          {"report without a view", report("0801100218022801" + vote), MALFORMED},
          {"report of member 0", report("08011000180220012801" + vote), MALFORMED},
          {"report in another order", report("08011802100220012801" + vote), MALFORMED},
          {"report of one value", report("08011002180220012801" + field("32", id("0a") + bytes("1a", 64))), MALFORMED},
          {"report, mark of 32", report("08011002180120012801" + field("32", id("0a") + id("12") + bytes("1a", 64)) +
                                        field("3a", id("0a") + bytes("1a", 64))),
           MALFORMED},
          {"report, value unsigned",
           report("08011002180220012801" + field("32", id("0a")) + field("3a", id("0a") + bytes("1a", 64))), MALFORMED},
          {"report, value with more",
           report("08011002180220012801" + field("32", id("0a") + bytes("1a", 64) + "2001") +
                  field("3a", id("0a") + bytes("1a", 64))),
           UNKNOWN_FIELD},
          {"operation 27", field("da01", member), UNKNOWN_FIELD},
      },
      scan_operation);
}

TEST(WireScanTest, Transaction) {
  using enum ErrorCode;
  auto envelope_bytes = hex(kEnvelope), revoke = hex(kRevoke);
  const std::string envelope = "0a" + to_hex(Bytes{static_cast<std::uint8_t>(envelope_bytes.size())}) + kEnvelope;
  const std::string operation = "12" + to_hex(Bytes{static_cast<std::uint8_t>(revoke.size())}) + kRevoke;
  expect_all(
      {
          {"one operation", envelope + operation, OK},
          {"three operations", envelope + repeat(operation, 3), OK},
          {"1000 operations", envelope + repeat(operation, 1000), OK},
          {"1001 operations", envelope + repeat(operation, 1001), TOO_LARGE},
          {"no operation", envelope, MALFORMED},
          {"no envelope", operation, MALFORMED},
          {"two envelopes", envelope + envelope + operation, MALFORMED},
          {"envelope last", operation + envelope, MALFORMED},
          {"unknown field", envelope + operation + "1a00", UNKNOWN_FIELD},
          {"empty operation", envelope + "1200", MALFORMED},
          {"garbage", "deadbeef", MALFORMED},
          {"longer than the limit", repeat("00", limits::kTransactionBytesMax + 1), TOO_LARGE},
      },
      scan_transaction);
  auto big = to_hex(hex("0a8102" + repeat("00", limits::kEnvelopeBytesMax + 1)));
  expect_all(
      {{"envelope beyond its limit", big + operation, TOO_LARGE},
       {"operation beyond its limit", envelope + "128108" + repeat("00", limits::kOperationBytesMax + 1), TOO_LARGE}},
      scan_transaction);
}

TEST(WireScanTest, EveryTruncationIsRefused) {
  for (const auto& batch : sample_chain().batches)
    for (const auto& item : batch->items()) {
      const auto& bytes = item.transaction.bytes();
      ASSERT_TRUE(scan_transaction(bytes));
      // A cut between two operations leaves a whole transaction; everywhere else it must fail.
      for (std::size_t size = 0; size < bytes.size(); ++size) {
        if (!scan_transaction(ByteSpan(bytes).first(size))) continue;
        ledger::v1::Transaction parsed;
        ASSERT_TRUE(parsed.ParseFromArray(bytes.data(), static_cast<int>(size)));
        EXPECT_LT(parsed.operations_size(), static_cast<int>(item.transaction.operations().size())) << size;
      }
    }
}

/// What scans well is what protobuf itself would write: nothing is lost and there is one form only.
void expect_canonical(ByteSpan bytes) {
  ledger::v1::Transaction transaction;
  ASSERT_TRUE(transaction.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) << to_hex(bytes);
  ASSERT_EQ(transaction.SerializeAsString(), as_text(bytes)) << to_hex(bytes);
  ledger::v1::Envelope envelope;
  ASSERT_TRUE(envelope.ParseFromString(transaction.envelope()));
  ASSERT_EQ(envelope.SerializeAsString(), transaction.envelope()) << to_hex(bytes);
  for (const auto& text : transaction.operations()) {
    ledger::v1::Operation operation;
    ASSERT_TRUE(operation.ParseFromString(text));
    ASSERT_EQ(operation.SerializeAsString(), text) << to_hex(bytes);
    ASSERT_NE(operation.kind_case(), ledger::v1::Operation::KIND_NOT_SET);
  }
}

Bytes mutate(Bytes bytes, Rng& rng) {
  for (auto times = 1 + rng.below(3); times > 0 && !bytes.empty(); --times) {
    auto at = bytes.begin() + static_cast<std::ptrdiff_t>(rng.below(bytes.size()));
    auto byte = static_cast<std::uint8_t>(rng.next());
    switch (rng.below(5)) {
      case 0:
        *at = byte;
        break;
      case 1:
        *at = static_cast<std::uint8_t>(*at ^ 1 << rng.below(8));
        break;
      case 2:
        bytes.insert(at, byte);
        break;
      case 3:
        bytes.erase(at);
        break;
      default:
        bytes.insert(at, bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(rng.below(bytes.size())));
        break;
    }
  }
  return bytes;
}

TEST(WireScanTest, MutationsScanOnlyIfCanonical) {
  const char* given = std::getenv("GALEN_SEED");
  std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 0) : 20'260'101;
  std::printf("GALEN_SEED=%llu\n", static_cast<unsigned long long>(seed));
  Rng rng(seed);
  std::vector<Bytes> originals;
  for (const auto& batch : sample_chain().batches)
    for (const auto& item : batch->items()) originals.push_back(item.transaction.bytes());
  std::size_t accepted = 0;
  for (int i = 0; i < 200'000 && !::testing::Test::HasFatalFailure(); ++i) {
    auto bytes = mutate(originals[rng.below(originals.size())], rng);
    if (!scan_transaction(bytes)) continue;
    ++accepted;
    expect_canonical(bytes);
  }
  EXPECT_GT(accepted, 1'000u) << "the mutations no longer reach what is accepted";
}

}  // namespace
}  // namespace galen
