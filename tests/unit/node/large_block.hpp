// A block that fits no frame with its outcomes: four batches of decisions, each with an answer more than twice its size.
#pragma once

#include "galen/types/limits.hpp"
#include "unit/execution/chain_fixture.hpp"

namespace galen::node::test {

/// By authors of members 0 and 1; `ask` is asked again and again.
inline std::vector<BatchPtr> large_batches(execution::test::TestChain& chain, const PrincipalId& author_0,
                                           const PrincipalId& author_1, ledger::v1::Operation ask) {
  std::vector<BatchPtr> out;
  for (MemberIndex origin : {0, 0, 1, 1}) {
    ask.mutable_decide()->set_requester(chain.member(origin).str());
    std::vector<BatchItem> items;
    const auto bytes_of = [](const BatchItem& item) { return item.transaction.bytes().size() + 64; };
    std::size_t bytes = 0;
    do {
      items.push_back(
          chain.item(origin == 0 ? author_0 : author_1, std::vector(limits::kOperationsPerTransactionMax, ask)));
      bytes += bytes_of(items.back());
    } while (bytes + bytes_of(items.back()) <= limits::kBatchBytesMax);
    out.push_back(chain.batch(origin, std::move(items)));
  }
  return out;
}

}  // namespace galen::node::test
