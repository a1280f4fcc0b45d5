#include "net/address.hpp"

#include <fmt/format.h>
#include <netdb.h>

#include <boost/asio/post.hpp>

#include <cstring>
#include <system_error>
#include <thread>

#include "galen/base/thread_name.hpp"

namespace galen::net {

namespace asio = boost::asio;

Result<HostPort> split_address(const std::string& address) {
  auto colon = address.rfind(':');
  auto bad = [&](const char* why) {
    return make_error(ErrorCode::CONFIG_INVALID, fmt::format("address \"{}\": {}", address, why));
  };
  if (colon == std::string::npos) return bad("a port is missing, write host:port");
  HostPort out{address.substr(0, colon), address.substr(colon + 1)};
  if (out.host.size() >= 2 && out.host.front() == '[' && out.host.back() == ']')
    out.host = out.host.substr(1, out.host.size() - 2);
  else if (out.host.find(':') != std::string::npos)
    return bad("write an IPv6 address in brackets: [::1]:port");
  if (out.port.empty() || out.port.size() > 5 || out.port.find_first_not_of("0123456789") != std::string::npos ||
      std::stoul(out.port) > 65535)
    return bad("the port is no number from 0 to 65535");
  return out;
}

Result<Endpoints> resolve_now(const HostPort& address, bool passive) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0);
  addrinfo* found = nullptr;
  int error =
      ::getaddrinfo(address.host.empty() ? nullptr : address.host.c_str(), address.port.c_str(), &hints, &found);
  if (error != 0)
    return make_error(ErrorCode::UNAVAILABLE,
                      fmt::format("cannot resolve {}: {}", address.host, ::gai_strerror(error)));
  Endpoints out;
  for (auto* entry = found; entry != nullptr; entry = entry->ai_next) {
    asio::ip::tcp::endpoint endpoint;
    if (entry->ai_addrlen > endpoint.capacity()) continue;
    std::memcpy(endpoint.data(), entry->ai_addr, entry->ai_addrlen);
    endpoint.resize(entry->ai_addrlen);
    out.push_back(endpoint);
  }
  ::freeaddrinfo(found);
  if (out.empty()) return make_error(ErrorCode::UNAVAILABLE, fmt::format("{} has no address", address.host));
  return out;
}

void Resolver::resolve(const HostPort& address, Answer answer) {
  auto deliver = [](Link& link, Answer&& to, Result<Endpoints> result) {
    std::lock_guard lock(link.mutex);
    if (link.io == nullptr) return;
    asio::post(*link.io, [to = std::move(to), result = std::move(result)]() mutable { to(std::move(result)); });
  };
  boost::system::error_code no_literal;
  auto literal = asio::ip::make_address(address.host, no_literal);
  if (!no_literal) {
    asio::ip::tcp::endpoint endpoint(literal, static_cast<std::uint16_t>(std::stoul(address.port)));
    return deliver(*link_, std::move(answer), Endpoints{endpoint});
  }
  try {
    std::thread([link = link_, address, answer, deliver]() mutable {
      name_this_thread("resolve");
      deliver(*link, std::move(answer), resolve_now(address, false));
    }).detach();
  } catch (const std::system_error& error) {
    deliver(*link_, std::move(answer),
            make_error(ErrorCode::UNAVAILABLE, fmt::format("no thread to resolve a name: {}", error.what())));
  }
}

void Resolver::close() {
  std::lock_guard lock(link_->mutex);
  link_->io = nullptr;
}

}  // namespace galen::net
