#include "galen/consensus/safety.hpp"

#include <algorithm>

#include "galen/base/assert.hpp"
#include "galen/types/limits.hpp"

namespace galen::consensus {

namespace {

constexpr std::uint16_t kRecordVersion = 1;

Error corrupt(const char* what) { return make_error(ErrorCode::CORRUPT, what); }

SafetyState::VoteKey key_of(const VoteSubject& subject) { return {subject.view, subject.height}; }

void raise(std::optional<VoteSubject>& highest, const VoteSubject& subject) {
  if (!highest || key_of(subject) > key_of(*highest)) highest = subject;
}

Bytes certificate_or_nothing(const std::optional<QuorumCertificate>& certificate) {
  return certificate ? certificate->encode() : Bytes{};
}

/// A message as it was sent, of the one type it must be.
template <class T>
Result<T> read_message(crypto::Suite suite, ByteReader& in) {
  GALEN_ASSIGN(auto message, decode(suite, in.sized(limits::kFrameBytesMax)));
  auto* typed = std::get_if<T>(&message);
  if (typed == nullptr) return corrupt("safety record: another message");
  return std::move(*typed);
}

Result<std::optional<QuorumCertificate>> read_certificate(ByteReader& in) {
  auto bytes = in.sized(limits::kFrameBytesMax);
  if (!in.ok()) return corrupt("safety record: too short");
  if (bytes.empty()) return std::optional<QuorumCertificate>();
  GALEN_ASSIGN(auto certificate, QuorumCertificate::decode(bytes));
  return std::optional<QuorumCertificate>(std::move(certificate));
}

}  // namespace

SafetyRecord SafetyState::record(RecordKind kind, ByteSpan body) const {
  ByteWriter out(11 + body.size());
  out.u16(kRecordVersion).u64(epoch_).u8(static_cast<std::uint8_t>(kind)).raw(body);
  return {std::move(out).take()};
}

SafetyRecord SafetyState::mode_record(Mode mode) const {
  GALEN_ASSERT(mode == Mode::voting || mode == Mode::recovering || mode == Mode::fresh);
  return record(RecordKind::mode, Bytes{static_cast<std::uint8_t>(mode)});
}

SafetyRecord SafetyState::view_record(View view, const std::optional<QuorumCertificate>& high_qc) const {
  ByteWriter out;
  out.u64(view).sized(certificate_or_nothing(high_qc));
  return record(RecordKind::view, out.bytes());
}

SafetyRecord SafetyState::prepare_record(const Prepare& message, const BlockSkeleton& block) const {
  ByteWriter out;
  out.sized(encode(message)).sized(block.encode());
  return record(RecordKind::prepare, out.bytes());
}

SafetyRecord SafetyState::commit_record(const Commit& message, const QuorumCertificate& certificate) const {
  ByteWriter out;
  out.sized(encode(message)).sized(certificate.encode());
  return record(RecordKind::commit, out.bytes());
}

SafetyRecord SafetyState::view_change_record(const ViewChange& message) const {
  ByteWriter out;
  out.sized(encode(message));
  return record(RecordKind::view_change, out.bytes());
}

SafetyRecord SafetyState::resumed_record(View floor, const std::optional<QuorumCertificate>& high_qc) const {
  ByteWriter out;
  out.u64(floor).sized(certificate_or_nothing(high_qc));
  return record(RecordKind::resumed, out.bytes());
}

Status SafetyState::apply(const SafetyRecord& given) {
  ByteReader in(given.payload);
  auto version = in.u16();
  auto epoch = in.u64();
  auto kind = in.u8();
  if (!in.ok() || version != kRecordVersion) return corrupt("safety record: version");
  if (epoch != epoch_) return {};
  recorded_ = true;
  auto status = apply_body(static_cast<RecordKind>(kind), in);
  if (!status) return corrupt("safety record: the body does not decode");
  if (!in.done()) return corrupt("safety record: wrong length");
  return {};
}

Status SafetyState::apply_body(RecordKind kind, ByteReader& in) {
  switch (kind) {
    case RecordKind::mode: {
      auto mode = static_cast<Mode>(in.u8());
      if (mode != Mode::voting && mode != Mode::recovering && mode != Mode::fresh) return corrupt("mode");
      mode_ = mode;
      return {};
    }
    case RecordKind::view: {
      auto view = in.u64();
      view_ = std::max(view_.value_or(0), view);
      GALEN_ASSIGN(auto certificate, read_certificate(in));
      if (certificate) raise_high_qc(*certificate);
      return {};
    }
    case RecordKind::prepare: {
      GALEN_ASSIGN(auto message, read_message<Prepare>(suite_, in));
      GALEN_ASSIGN(auto block, BlockSkeleton::decode(suite_, in.sized(limits::kFrameBytesMax)));
      raise(last_prepare_, message.subject);
      auto key = key_of(message.subject);
      prepares_.insert_or_assign(key, PreparedBlock{std::move(message), std::move(block)});
      return {};
    }
    case RecordKind::commit: {
      GALEN_ASSIGN(auto message, read_message<Commit>(suite_, in));
      GALEN_ASSIGN(auto certificate, read_certificate(in));
      if (!certificate) return corrupt("commit without certificate");
      raise_high_qc(*certificate);
      raise(last_commit_, message.subject);
      commits_.insert_or_assign(key_of(message.subject), message);
      return {};
    }
    case RecordKind::view_change: {
      GALEN_ASSIGN(auto message, read_message<ViewChange>(suite_, in));
      if (message.high_qc) raise_high_qc(*message.high_qc);
      add_promise(message.header.target, key_of(message.header.high));
      if (message.header.target > max_view_change()) view_change_ = std::move(message);
      return {};
    }
    case RecordKind::resumed: {
      floor_ = std::max(floor_, in.u64());
      GALEN_ASSIGN(auto certificate, read_certificate(in));
      if (certificate) raise_high_qc(*certificate);
      mode_ = Mode::voting;
      return {};
    }
    case RecordKind::promise: {
      auto target = in.u64();
      VoteKey reported{in.u64(), 0};
      reported.second = in.u64();
      add_promise(target, reported);
      return {};
    }
  }
  return corrupt("kind");
}

/// R7: it never falls.
void SafetyState::raise_high_qc(const QuorumCertificate& certificate) {
  if (!high_qc_ || key_of(certificate.subject) > key_of(high_qc_->subject)) high_qc_ = certificate;
}

void SafetyState::add_promise(View target, VoteKey reported) {
  // Of promises that reported the same, the highest target binds most. Reports never fall, so this keeps both ascending.
  auto [place, inserted] = promises_.emplace(target, reported);
  if (!inserted) place->second = std::min(place->second, reported);
  while (place != promises_.begin() && std::prev(place)->second >= place->second) promises_.erase(std::prev(place));
  if (std::next(place) != promises_.end() && std::next(place)->second <= place->second) promises_.erase(place);
  while (promises_.size() > kPromisesMax) {
    // Merge the two oldest into one that forbids all either of them forbids.
    auto oldest = promises_.begin();
    std::next(oldest)->second = oldest->second;
    promises_.erase(oldest);
  }
}

bool SafetyState::commit_allowed(View view, Height height) const {
  // Reports ascend with the target, so the first target above the view binds most.
  auto binding = promises_.upper_bound(view);
  return binding == promises_.end() || binding->second >= VoteKey{view, height};
}

void SafetyState::prune(Height committed) {
  // The highest of each stays: after a restart the others' STATUS is compared with it.
  auto is_past = [&](const VoteKey& key, const std::optional<VoteSubject>& last) {
    return key.second <= committed && key != key_of(*last);
  };
  std::erase_if(prepares_, [&](const auto& entry) { return is_past(entry.first, last_prepare_); });
  std::erase_if(commits_, [&](const auto& entry) { return is_past(entry.first, last_commit_); });
}

std::vector<SafetyRecord> SafetyState::records() const {
  std::vector<SafetyRecord> out;
  if (floor_ > 0) out.push_back(resumed_record(floor_, std::nullopt));
  if (recorded_) out.push_back(mode_record(mode_));
  for (const auto& [target, reported] : promises_) {
    ByteWriter body;
    body.u64(target).u64(reported.first).u64(reported.second);
    out.push_back(record(RecordKind::promise, body.bytes()));
  }
  if (view_ || high_qc_) out.push_back(view_record(view_.value_or(0), high_qc_));
  if (view_change_) out.push_back(view_change_record(*view_change_));
  for (const auto& [key, prepared] : prepares_) out.push_back(prepare_record(prepared.message, prepared.block));
  for (const auto& [key, commit] : commits_) {
    GALEN_ASSERT(high_qc_.has_value());  // a COMMIT rests on a certificate, and highQC is at least that
    out.push_back(commit_record(commit, *high_qc_));
  }
  return out;
}

Result<SafetyState> recover(Epoch epoch, crypto::Suite suite, std::span<const SafetyRecord> records) {
  SafetyState state(epoch, suite);
  for (const auto& record : records) GALEN_TRY(state.apply(record));
  return state;
}

SafetyRecord amnesia_record(Epoch epoch) { return SafetyState(epoch).mode_record(Mode::recovering); }

SafetyState next_epoch(const SafetyState& ended, const BlockHeader& end, bool was_member) {
  GALEN_ASSERT(end.epoch_end() && end.epoch == ended.epoch());
  auto mode = ended.mode();
  // A log lost in this epoch may have held promises of the next one, unless the end was born after the recovery: then
  // nobody was there before (L5).
  if (mode == Mode::voting && end.view < ended.floor()) mode = Mode::recovering;
  // A member's log that says nothing at the end of an epoch was lost, or never ran; only who was no member knows better.
  if (mode == Mode::fresh && (was_member || !ended.recorded())) mode = Mode::recovering;
  SafetyState next(end.epoch + 1, ended.suite());
  auto status = next.apply(next.mode_record(mode));
  GALEN_ASSERT(status.has_value());
  return next;
}

Result<SafetyState> recover_in(crypto::Suite suite, std::span<const SafetyRecord> records, const BlockHeader& tip,
                               bool was_member) {
  if (!tip.epoch_end()) return recover(tip.epoch, suite, records);
  GALEN_ASSIGN(auto state, recover(tip.epoch + 1, suite, records));
  if (state.recorded()) return state;
  GALEN_ASSIGN(const auto ended, recover(tip.epoch, suite, records));
  return next_epoch(ended, tip, was_member);
}

}  // namespace galen::consensus
