// What a development directory keeps of its patients: name, pseudonym and where the key lies, in D/patients/NAME.json.
// A convenience for demonstrations: a real hospital's table of pseudonyms is the node's encrypted index.
#pragma once

#include <string>

#include "galen/crypto/signature.hpp"
#include "galenctl/context.hpp"

namespace galen::galenctl {

/// Before anything is registered: that keep_patient will not refuse the name. `other`: the pseudonym will be a new one.
Status check_patient_name(const Context& context, const std::string& name, bool other);
Status keep_patient(const Context& context, const std::string& name, const PrincipalId& pseudonym,
                    const std::string& key_path);
/// The key named by --key, else the one kept with the patient's name.
Result<crypto::PrivateKey> patient_key(const Context& context, crypto::Suite suite, const std::string& patient,
                                       const std::string& key_path);

}  // namespace galen::galenctl
