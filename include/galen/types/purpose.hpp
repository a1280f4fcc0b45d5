// Purposes of use: the 59 codes of HL7 v3-PurposeOfUse (v3-ActReason) as bits, in the order of their codes
// (docs/spec/formats.md 4.4). A bit never moves; new codes take the next ones. In rules version 1 a bit stands for itself
// only: whoever grants a branch of the code tree sets every bit of it. Pure, any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace galen {

struct Purpose {
  std::string_view code;
  std::string_view parent;  ///< the next wider purpose, empty at the top of the tree
};

/// Index = bit, 0 the least significant.
inline constexpr std::array<Purpose, 59> kPurposes = {{
    {"BIORCH", "HRESCH"},
    {"BTG", "ETREAT"},
    {"CAREMGT", "HOPERAT"},
    {"CLINTRCH", "HRESCH"},
    {"CLINTRCHNPC", "CLINTRCH"},
    {"CLINTRCHPC", "CLINTRCH"},
    {"CLINTRL", "TREAT"},
    {"CLMATTCH", "HPAYMT"},
    {"COC", "TREAT"},
    {"COVAUTH", "HPAYMT"},
    {"COVERAGE", "HPAYMT"},
    {"DISASTER", "PUBHLTH"},
    {"DONAT", "HOPERAT"},
    {"DSRCH", "HRESCH"},
    {"ELIGDTRM", "COVERAGE"},
    {"ELIGVER", "COVERAGE"},
    {"ENROLLM", "COVERAGE"},
    {"ERTREAT", "ETREAT"},
    {"ETREAT", "TREAT"},
    {"FAMRQT", "PATRQT"},
    {"FRAUD", "HOPERAT"},
    {"GOV", "HOPERAT"},
    {"HACCRED", "HOPERAT"},
    {"HCOMPL", "HOPERAT"},
    {"HDECD", "HOPERAT"},
    {"HDIRECT", "HOPERAT"},
    {"HDM", "HOPERAT"},
    {"HLEGAL", "HOPERAT"},
    {"HMARKT", ""},
    {"HOPERAT", ""},
    {"HOUTCOMS", "HOPERAT"},
    {"HPAYMT", ""},
    {"HPRGRP", "HOPERAT"},
    {"HQUALIMP", "HOPERAT"},
    {"HRESCH", ""},
    {"HSYSADMIN", "HOPERAT"},
    {"HTEST", "SYSDEV"},
    {"LABELING", "HSYSADMIN"},
    {"MEMADMIN", "HOPERAT"},
    {"METAMGT", "HSYSADMIN"},
    {"MILCDM", "HOPERAT"},
    {"MILDCRG", "COVERAGE"},
    {"PATADMIN", "HOPERAT"},
    {"PATRQT", ""},
    {"PATSFTY", "HOPERAT"},
    {"PERFMSR", "HOPERAT"},
    {"POARCH", "HRESCH"},
    {"POPHLTH", "TREAT"},
    {"PRECLINTRCH", "CLINTRCH"},
    {"PUBHLTH", ""},
    {"PWATRNY", "PATRQT"},
    {"RECORDMGT", "HOPERAT"},
    {"REMITADV", "HPAYMT"},
    {"SUPNWK", "PATRQT"},
    {"SYSDEV", "HOPERAT"},
    {"THREAT", "PUBHLTH"},
    {"TRAIN", "HOPERAT"},
    {"TRANSRCH", "HRESCH"},
    {"TREAT", ""},
}};

/// Every defined bit.
inline constexpr std::uint64_t kPurposeBits = (std::uint64_t{1} << kPurposes.size()) - 1;

/// A purpose as operations carry it is bit index + 1, so that 0 is never one.
constexpr bool is_purpose(std::uint32_t purpose) { return purpose >= 1 && purpose <= kPurposes.size(); }
/// The bit of a valid purpose.
constexpr std::uint64_t purpose_bit(std::uint32_t purpose) { return std::uint64_t{1} << (purpose - 1); }

/// Upper-case code to purpose; nothing for a code outside the list.
constexpr std::optional<std::uint32_t> purpose_from_code(std::string_view code) {
  for (std::uint32_t i = 0; i < kPurposes.size(); ++i)
    if (kPurposes[i].code == code) return i + 1;
  return std::nullopt;
}
/// Empty for what is no purpose.
constexpr std::string_view purpose_code(std::uint32_t purpose) {
  return is_purpose(purpose) ? kPurposes[purpose - 1].code : std::string_view{};
}

static_assert(purpose_from_code("TREAT") == 59);

}  // namespace galen
