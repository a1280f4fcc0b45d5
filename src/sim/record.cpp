#include "sim/record.hpp"

#include <fmt/format.h>

namespace galen::sim {

using namespace consensus;

namespace {

std::string json(const VoteSubject& s) { return fmt::format("[{},{},\"{}\"]", s.view, s.height, s.digest.hex()); }

template <class Number>
std::string json(const std::vector<Number>& numbers) {
  std::string out;
  for (auto number : numbers) out += fmt::format("{}{}", out.empty() ? "" : ",", number);
  return "[" + out + "]";
}

std::string json(const std::optional<QuorumCertificate>& c) {
  if (!c) return "null";
  return fmt::format("{{\"phase\":\"{}\",\"subject\":{},\"signers\":{}}}", c->phase == VotePhase::commit ? "COMMIT" : "PREPARE",
                     json(c->subject), json(c->signers.signers));
}

std::string json(const ViewChangeHeader& h) {
  return fmt::format("{{\"sender\":{},\"target\":{},\"high\":{}}}", h.sender, h.target, json(h.high));
}

std::string json(const BlockSkeleton& block, const Hash& digest) {
  const auto& h = block.header;
  return fmt::format("{{\"digest\":\"{}\",\"parent\":\"{}\",\"view\":{},\"proposer\":{},\"height\":{},\"exec_height\":{},"
                     "\"tenure_end\":{},\"epoch_end\":{}}}",
                     digest.hex(), h.parent.hex(), h.view, h.proposer, h.height, h.exec_height, h.tenure_end(), h.epoch_end());
}

/// The fields of a message that the rules are about; nothing for one that they are not.
struct Fields {
  std::string operator()(const PrePrepare& m) const {
    std::string changes;
    for (const auto& header : m.justification.view_changes) changes += (changes.empty() ? "" : ",") + json(header);
    return fmt::format("\"sender\":{},\"view\":{},\"block\":{},\"reason\":{},\"view_changes\":[{}],\"certificate\":{}", m.sender,
                       m.view, json(m.block, m.digest), static_cast<unsigned>(m.justification.kind), changes,
                       json(m.justification.certificate));
  }
  std::string operator()(const Prepare& m) const { return vote(m); }
  std::string operator()(const Commit& m) const { return vote(m); }
  static std::string vote(const SignedVote& m) { return fmt::format("\"sender\":{},\"subject\":{}", m.sender, json(m.subject)); }
  std::string operator()(const ViewChange& m) const {
    return fmt::format("\"view_changes\":[{}],\"certificate\":{}", json(m.header), json(m.high_qc));
  }
  std::string operator()(const Certificate& m) const {
    return fmt::format("\"certificate\":{}", json(std::optional(m.certificate)));
  }
  std::string operator()(const StatusAnswer& m) const {
    return fmt::format("\"certificate\":{},\"tip\":{}", json(m.high_qc), json(m.tip_qc));
  }
  std::string operator()(const Skeleton&) const { return {}; }
  std::string operator()(const StatusRequest&) const { return {}; }
  std::string operator()(const Executed&) const { return {}; }
  std::string operator()(const FetchSkeleton&) const { return {}; }
  std::string operator()(const FetchCertificate&) const { return {}; }
};

}  // namespace

void Record::begins(std::uint64_t seed, const std::vector<Identity>& liars) {
  fmt::print(out_, "{{\"what\":\"begins\",\"seed\":{},\"liars\":{}}}\n", seed, json(liars));
}

void Record::epoch(Epoch epoch, const EpochSet& set) {
  if (epoch <= epochs_) return;
  epochs_ = epoch;
  fmt::print(out_, "{{\"what\":\"epoch\",\"epoch\":{},\"members\":{}}}\n", epoch, json(set.identities));
}

void Record::write(std::uint64_t at_ms, const char* what, Identity who, Epoch epoch, const Message& message) {
  auto fields = std::visit(Fields{}, message);
  if (fields.empty()) return;
  fmt::print(out_, "{{\"what\":\"{}\",\"ms\":{},\"who\":{},\"epoch\":{},\"message\":\"{}\",{}}}\n", what, at_ms, who, epoch,
             consensus::to_name(message), fields);
}

void Record::says(std::uint64_t at_ms, Identity who, Epoch epoch, const Message& message) {
  write(at_ms, "says", who, epoch, message);
}

void Record::hears(std::uint64_t at_ms, Identity liar, Epoch epoch, const Message& message) {
  write(at_ms, "hears", liar, epoch, message);
}

void Record::happens(std::uint64_t at_ms, Identity who, Epoch epoch, const Event& event) {
  fmt::print(out_, "{{\"what\":\"event\",\"ms\":{},\"who\":{},\"epoch\":{},\"event\":\"{}\",\"view\":{},\"value\":{}}}\n", at_ms, who,
             epoch, consensus::to_name(event.kind), event.view, event.value);
}

void Record::forgets(std::uint64_t at_ms, Identity who) {
  fmt::print(out_, "{{\"what\":\"forgets\",\"ms\":{},\"who\":{}}}\n", at_ms, who);
}

}  // namespace galen::sim
