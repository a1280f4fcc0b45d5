// A protobuf message as a JSON object for people and scripts: fields by name, bytes in hexadecimal, enumerators by name,
// defaults left out as in the message. Not the JSON mapping of protobuf, which writes bytes in base64.
#pragma once

#include <string>

namespace google::protobuf {
class Message;
}

namespace galen {

std::string message_json(const google::protobuf::Message& message);

}  // namespace galen
