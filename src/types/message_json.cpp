#include "types/message_json.hpp"

#include <google/protobuf/message.h>

#include "types/report_words.hpp"

namespace galen {

namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

/// The value of a field; of its element `at` where it is repeated.
std::string value_json(const Message& message, const FieldDescriptor& field, int at) {
  const auto& r = *message.GetReflection();
  const bool many = field.is_repeated();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
      return std::to_string(many ? r.GetRepeatedUInt32(message, &field, at) : r.GetUInt32(message, &field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return std::to_string(many ? r.GetRepeatedUInt64(message, &field, at) : r.GetUInt64(message, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return (many ? r.GetRepeatedBool(message, &field, at) : r.GetBool(message, &field)) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_ENUM: {
      const auto number = many ? r.GetRepeatedEnumValue(message, &field, at) : r.GetEnumValue(message, &field);
      const auto* named = field.enum_type()->FindValueByNumber(number);
      return named == nullptr ? std::to_string(number) : quoted(named->name());
    }
    case FieldDescriptor::CPPTYPE_STRING:  // bytes as well; the state has no text
      return quoted(hex(many ? r.GetRepeatedString(message, &field, at) : r.GetString(message, &field)));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return message_json(many ? r.GetRepeatedMessage(message, &field, at) : r.GetMessage(message, &field));
    default:  // signed numbers and floats: the state has none
      return "null";
  }
}

}  // namespace

std::string message_json(const Message& message) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  std::string out;
  for (const auto* field : fields) {
    out += (out.empty() ? "" : ",") + quoted(field->name()) + ":";
    if (!field->is_repeated()) {
      out += value_json(message, *field, 0);
      continue;
    }
    const int count = message.GetReflection()->FieldSize(message, field);
    for (int i = 0; i < count; ++i) out += (i == 0 ? "[" : ",") + value_json(message, *field, i);
    out += "]";
  }
  return "{" + out + "}";
}

}  // namespace galen
