// Changes one record row in a stopped node's ledger behind the node's back: another commitment, as one who edits the
// database would do it. For tests/cluster/test_diverged.py only; never installed. Usage: galen-test-falsify DATA_DIR
// GENESIS POINTER_ID
#include <cstdio>
#include <cstdlib>

#include "galen/ledger/v1/state.pb.h"
#include "galen/types/genesis.hpp"
#include "galen/types/receipt.hpp"
#include "ledger/database.hpp"

namespace {

int fail(const galen::Error& error) {
  std::fprintf(stderr, "%s\n", error.message.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace galen;
  if (argc != 4) return 2;
  auto genesis = Genesis::load(argv[2]);
  if (!genesis) return fail(genesis.error());
  auto pointer = from_hex(argv[3]);
  if (!pointer) return 2;
  ledger::StoreOptions options;
  options.directory = argv[1];
  options.context = genesis->context();
  auto database = ledger::Database::open(options, ledger::Database::Mode::open);
  if (!database) return fail(database.error());
  const auto key = ledger::state_row_key(static_cast<std::uint8_t>(StateKind::record), *pointer);
  auto row = (*database)->get(ledger::Family::state, key);
  if (!row) return fail(row.error());
  ledger::v1::RecordState state;
  if (!*row || !state.ParseFromArray((*row)->data(), static_cast<int>((*row)->size()))) {
    std::fprintf(stderr, "no such record in the durable ledger\n");
    return 1;
  }
  auto commitment = state.commitment();
  commitment[0] = static_cast<char>(commitment[0] ^ 1);
  state.set_commitment(commitment);
  std::string bytes;
  if (!state.SerializeToString(&bytes)) return 1;
  if (auto put = (*database)->put(ledger::Family::state, key, as_bytes(bytes)); !put) return fail(put.error());
  if (auto flushed = (*database)->flush(); !flushed) return fail(flushed.error());
  return 0;
}
