// One list of error codes for the whole project, with ranges per room. A code exists only where some caller acts on it or
// an integrator is told it: the name (to_reason) is the stable reason in gRPC details, the `galen-reason` trailer, CLI
// output and exit codes. Codes are never renumbered. src/api/status_map.cpp maps them to gRPC, nothing else does.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace galen {

// X(NAME, number, default advice to the reader)
#define GALEN_ERROR_CODES(X) \
  X(OK, 0, "") \
  /* 1-99 general */ \
  X(INTERNAL, 1, "This is a fault of ours: keep the log and report it.") \
  X(INVALID_ARGUMENT, 2, "Correct the named field and try again.") \
  X(NOT_FOUND, 3, "Check the name or id.") \
  X(UNAVAILABLE, 4, "Try again after a short wait.") \
  X(DEADLINE_EXCEEDED, 5, "Ask GetTransaction with your request_id what became of it.") \
  X(RESOURCE_EXHAUSTED, 6, "Slow down and try again after the delay given.") \
  X(CANCELLED, 7, "") \
  X(UNIMPLEMENTED, 8, "This method is not part of this release.") \
  X(IO_ERROR, 9, "Check the disk and its mount, then start the node again.") \
  X(CORRUPT, 10, "Do not edit the data directory; run galenctl ledger verify.") \
  X(CONFIG_INVALID, 11, "Correct the named line of the configuration.") \
  X(DATA_DIR_LOCKED, 12, "Another galend uses this data directory: stop it first.") \
  X(DATA_DIR_MISSING, 13, "Run galend init once for this data directory.") \
  X(KEY_FILE_READABLE, 14, "Run chmod 0600 on the key file.") \
  X(ALREADY_EXISTS, 15, "") \
  X(SHUTTING_DOWN, 16, "Use another node, or wait until this one is back.") \
  /* 100-199 formats and transactions */ \
  X(MALFORMED, 100, "The bytes do not follow docs/spec/formats.md.") \
  X(UNKNOWN_FIELD, 101, "Remove the field, or use a client of this release.") \
  X(TOO_LARGE, 102, "Send less in one call, or use the streaming variant.") \
  X(WRONG_CHAIN, 103, "The transaction was made for another chain.") \
  X(BAD_SIGNATURE, 104, "Sign the exact bytes that validate_only returns, with the registered key.") \
  X(EXPIRED, 105, "Build the transaction again with a later valid_until.") \
  X(VALID_UNTIL_TOO_FAR, 106, "valid_until may lie at most ttl_max ahead of block time.") \
  X(BAD_REQUEST_ID, 107, "request_id is a random 16-byte UUID.") \
  X(UNSUPPORTED_VERSION, 108, "Use a client of this release.") \
  X(BAD_CERTIFICATE, 109, "") \
  X(BAD_PROOF, 110, "") \
  X(BAD_JSON, 111, "Correct the JSON at the place named.") \
  X(BAD_FHIR, 112, "Correct the resource at the place named.") \
  X(DUPLICATE, 113, "The first answer to this request_id stands; use a new request_id for a new request.") \
  X(JSON_DUPLICATE_KEY, 120, "Remove one of the two: nobody can tell which is meant.") \
  X(JSON_LONE_SURROGATE, 121, "Correct the escape: it stands for no character.") \
  X(JSON_NUMBER_INEXACT, 122, "Anchor the raw bytes (method raw), or allow the loss: lossy.") \
  X(JSON_NUMBER_RANGE, 123, "Anchor the raw bytes (method raw): the number fits no double.") \
  X(ATTACHMENT_MISMATCH, 124, "Ask the sender for the right document: hash, size and content contradict each other.") \
  /* 200-299 principals and authority */ \
  X(UNAUTHENTICATED, 200, "Connect with a client certificate of this member.") \
  X(PERMISSION_DENIED, 201, "Ask your member's administrator for the role named.") \
  X(UNKNOWN_PRINCIPAL, 202, "Register the principal first.") \
  X(PRINCIPAL_INACTIVE, 203, "The principal is revoked or past its validity.") \
  X(NOT_YOUR_MEMBER, 204, "Call the node of the author's own member.") \
  X(ASSURANCE_TOO_LOW, 205, "This kind of transaction must be signed by its author's own key.") \
  X(WRONG_KEY, 206, "The signature's key is not the one registered for the author.") \
  X(PRINCIPAL_EXISTS, 207, "The id is taken: choose a new random id.") \
  X(NOT_YOURS_TO_READ, 208, "Ask the member it concerns: the custodian, or the patient's own hospital.") \
  /* 300-399 records */ \
  X(RECORD_EXISTS, 300, "The pointer_id is taken: choose a new random id.") \
  X(RECORD_NOT_FOUND, 301, "Check the pointer_id.") \
  X(NOT_CUSTODIAN, 302, "Only the custodian member may change a record.") \
  X(RECORD_NOT_CURRENT, 303, "Supersede the newest version.") \
  X(SUBJECT_MISMATCH, 304, "A new version keeps its predecessor's pseudonym.") \
  X(COMMITMENT_MISMATCH, 305, "The bytes are not those that were anchored.") \
  X(KEY_NOT_HERE, 306, "Ask the custodian: only it holds the record's key.") \
  X(SUBJECT_UNKNOWN, 307, "Register the patient first.") \
  X(REQUEST_ID_REUSED, 308, "first_transaction_id in the details is the first request's: GetReceipt gives its receipt. Use a new request_id for a new request.") \
  /* 400-499 consent and access */ \
  X(CONSENT_EXISTS, 400, "The consent_id is taken: choose a new random id.") \
  X(CONSENT_NOT_FOUND, 401, "Check the consent_id.") \
  X(CONSENT_NOT_ACTIVE, 402, "The consent is revoked or past its end.") \
  X(NOT_THE_PATIENT, 403, "Only the patient may do this.") \
  X(PATIENT_HAS_NO_KEY, 404, "Register a key for the patient first.") \
  X(BAD_PURPOSE, 405, "Use a purpose bit of docs/spec/formats.md.") \
  X(TOO_MANY_CONSENTS, 406, "Revoke a consent to this organisation first, or wait until one ends.") \
  /* 500-599 consensus and node */ \
  X(NO_QUORUM, 500, "Writes go on when enough members are back; reads still answer.") \
  X(DIVERGED, 501, "This node's state differs from the certified one: use another node.") \
  X(AMNESIA, 502, "The node follows without voting until it has recovered.") \
  X(CATCHING_UP, 503, "The node is catching up: use another node or wait.") \
  X(DISK_LOW, 504, "Free disk space on the node's volume.") \
  X(EPOCH_END_REFUSED, 505, "A peer sent what no release sends: compare its version with this one.") \
  X(BACKFILLING, 506, "Older blocks are still on their way to this node: use another node or wait.") \
  X(VAULT_DAMAGED, 507, "Stop the node, put back vault/ from its newest backup, and start it; other nodes answer meanwhile.") \
  X(CURSOR_EXPIRED, 520, "Begin at the earliest cursor named, or ask a node that keeps older blocks.") \
  X(IDENTITY_IN_USE, 530, "Stop one of the two for good: a member runs one node. To move it, stop it first, and never start a copy.") \
  X(HEIGHT_NOT_REACHED, 531, "Ask again with a longer deadline, or another node.") \
  X(TOO_STALE, 532, "Ask again in a moment, or another node, or allow an older answer.") \
  /* 600-699 membership */ \
  X(MEMBERS_CHANGE_PENDING, 600, "An approved change has not taken effect yet: try again after a few blocks.") \
  X(MEMBER_NOT_ACTIVE, 601, "The author's hospital has no vote now: it was removed, or still follows as a learner.") \
  X(MEMBER_NOT_FOUND, 602, "Check the member's id with galenctl member list.") \
  X(MEMBER_EXISTS, 603, "Choose new random ids and an unused name and CA for the member.") \
  X(MEMBER_KEY_USED, 604, "Make a new consensus key: one that was ever used is never accepted again.") \
  X(MEMBERS_LIMIT, 605, "There are at least 4 and at most 100 voting members, and at most 8 learners.") \
  X(BAD_POSSESSION_PROOF, 606, "Make the proof anew with the key concerned: galenctl member proof.") \
  X(LEARNER_NOT_READY, 607, "Let the learner catch up and state its readiness anew, then try again.") \
  X(LEARNER_STATE_UNKNOWN, 608, "State readiness for one of the heights kept on the chain, newer than the last.") \
  X(LEARNER_STATE_DIFFERS, 609, "The learner's state is not the certified one: let it join anew by snapshot.") \
  X(PROPOSAL_EXISTS, 610, "The proposal_id is taken: choose a new random id.") \
  X(PROPOSAL_NOT_FOUND, 611, "Check the proposal_id.") \
  X(PROPOSAL_CLOSED, 612, "The proposal is decided or past its time: make a new one.") \
  X(ALREADY_VOTED, 613, "A member votes once on a proposal.") \
  X(TOO_MANY_PROPOSALS, 614, "Wait until one of your member's open proposals is decided or past its time.") \
  X(EVIDENCE_INVALID, 615, "The two signed values must be of one member and place, differ, and both verify.") \
  X(EVIDENCE_KNOWN, 616, "This member's fault is on the chain already: galenctl member evidence shows it.") \
  X(CANNOT_SIGN, 617, "Set keys.consensus to the key that the chain has for this member, or rotate it by a vote.")

enum class ErrorCode : std::uint16_t {
#define X(name, number, advice) name = number,
  GALEN_ERROR_CODES(X)
#undef X
};

/// The stable name, e.g. "NO_QUORUM"; "UNKNOWN" for a number outside the list.
std::string_view to_reason(ErrorCode code);
/// What the reader can do about it, one sentence, may be empty.
std::string_view advice(ErrorCode code);
/// The code of a stable name; INTERNAL if there is none.
ErrorCode error_code_from_reason(std::string_view reason);

/// What went wrong: the code, and one sentence that says what happened and why. Never holds payloads.
struct [[nodiscard]] Error {
  ErrorCode code = ErrorCode::INTERNAL;
  std::string message;
};

}  // namespace galen
