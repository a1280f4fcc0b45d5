// What an event was about: as words for people, and as fields for programs.
#pragma once

#include <string>

#include "galen/v1/ledger_service.pb.h"
#include "galenctl/output.hpp"

namespace galen::galenctl {

/// The record, the consent, the principal, the answer, in ids.
std::string event_summary(const v1::EventDetail& detail);
/// The same as one object, under the names that the verbs about it use; empty for a refusal.
void write_event_detail(JsonWriter& writer, const v1::EventDetail& detail);

}  // namespace galen::galenctl
