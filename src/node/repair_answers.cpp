#include "node/repair_answers.hpp"

#include "galen/ledger/scrub.hpp"

namespace galen::node {
namespace {

Bytes answer(PeerMessageKind kind, ByteSpan question, ByteSpan content) {
  ByteWriter out(1 + question.size() + content.size());
  out.u8(static_cast<std::uint8_t>(kind)).raw(question).raw(content);
  return std::move(out).take();
}

}  // namespace

bool is_not_here(const Error& error) { return error.code == ErrorCode::NOT_FOUND || error.code == ErrorCode::CORRUPT; }

Result<Bytes> answer_fetch_stored(const ledger::View& view, ByteSpan body) {
  GALEN_ASSIGN(const auto height, decode_fetch_stored(body));
  auto stored = height <= view.height() ? ledger::StoredBlock::load(view, height)
                                        : Result<ledger::StoredBlock>(ErrorCode::NOT_FOUND, "");
  if (!stored && !is_not_here(stored.error())) return stored.error();
  auto content = stored ? stored->encode() : Bytes();
  if (content.size() + body.size() >= limits::kFrameBytesMax) content.clear();
  return answer(PeerMessageKind::stored, body, content);
}

Result<Bytes> answer_fetch_tree(const ledger::View& view, ByteSpan body) {
  GALEN_ASSIGN(const auto asked, decode_fetch_tree(body));
  auto info =
      asked.height <= view.height() ? view.info(asked.height) : Result<std::optional<ledger::BlockInfo>>(std::nullopt);
  auto page = view.tree_page(asked.height, asked.depth, asked.path);
  if (!info && !is_not_here(info.error())) return info.error();
  if (!page && !is_not_here(page.error())) return page.error();
  if (!info || !*info || !page) return answer(PeerMessageKind::tree, body, {});
  ByteWriter content(Hash::kSize + page->size());
  content.raw((*info)->state_root).raw(*page);
  return answer(PeerMessageKind::tree, body, content.bytes());
}

}  // namespace galen::node
